//! How vectors are compressed, in the engine's terms.
#![expect(
    deprecated,
    reason = "clients before 1.19 say by flags what is kept in memory"
)]

use qdrant_client::qdrant::binary_quantization_query_encoding::{Setting, Variant};
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::{
    self, BinaryQuantization, ProductQuantization, QuantizationType, ScalarQuantization,
    TurboQuantBitSize, TurboQuantization,
};
use qdrant_edge::{
    BinaryQuantizationConfig, BinaryQuantizationEncoding, BinaryQuantizationQueryEncoding,
    CompressionRatio, ProductQuantizationConfig, QuantizationConfig, ScalarQuantizationConfig,
    ScalarType,
};
use serde_json::json;
use tonic::Status;

use super::placement::always_ram;
use super::{status, valid};

/// Translates how vectors are compressed.
pub(super) fn engine(config: &qdrant::QuantizationConfig) -> Result<QuantizationConfig, Status> {
    match &config.quantization {
        Some(Quantization::Scalar(scalar)) => self::scalar(scalar),
        Some(Quantization::Product(product)) => self::product(product),
        Some(Quantization::Binary(binary)) => self::binary(binary),
        Some(Quantization::Turboquant(turbo)) => self::turbo(turbo),
        None => Err(Status::invalid_argument(
            "Unable to convert quantization config",
        )),
    }
}

fn scalar(scalar: &ScalarQuantization) -> Result<QuantizationConfig, Status> {
    if scalar.r#type() != QuantizationType::Int8 {
        return Err(Status::invalid_argument("Unknown quantization type"));
    }
    valid::within(
        "quantization_config.quantile",
        scalar.quantile,
        &(0.5..=1.0),
    )?;
    Ok(QuantizationConfig::from(ScalarQuantizationConfig {
        r#type: ScalarType::Int8,
        quantile: scalar.quantile,
        always_ram: always_ram(scalar.memory, scalar.always_ram)?,
    }))
}

fn product(product: &ProductQuantization) -> Result<QuantizationConfig, Status> {
    let compression = match qdrant::CompressionRatio::try_from(product.compression) {
        Ok(qdrant::CompressionRatio::X4) => CompressionRatio::X4,
        Ok(qdrant::CompressionRatio::X8) => CompressionRatio::X8,
        Ok(qdrant::CompressionRatio::X16) => CompressionRatio::X16,
        Ok(qdrant::CompressionRatio::X32) => CompressionRatio::X32,
        Ok(qdrant::CompressionRatio::X64) => CompressionRatio::X64,
        Err(_unknown) => return Err(Status::invalid_argument("Unknown compression ratio")),
    };
    Ok(QuantizationConfig::from(ProductQuantizationConfig {
        compression,
        always_ram: always_ram(product.memory, product.always_ram)?,
    }))
}

fn binary(binary: &BinaryQuantization) -> Result<QuantizationConfig, Status> {
    let encoding = binary
        .encoding
        .map(qdrant::BinaryQuantizationEncoding::try_from);
    let encoding = match encoding {
        None => None,
        Some(Ok(qdrant::BinaryQuantizationEncoding::OneBit)) => {
            Some(BinaryQuantizationEncoding::OneBit)
        }
        Some(Ok(qdrant::BinaryQuantizationEncoding::TwoBits)) => {
            Some(BinaryQuantizationEncoding::TwoBits)
        }
        Some(Ok(qdrant::BinaryQuantizationEncoding::OneAndHalfBits)) => {
            Some(BinaryQuantizationEncoding::OneAndHalfBits)
        }
        Some(Err(_unknown)) => {
            return Err(Status::invalid_argument(
                "Unknown binary quantization encoding",
            ));
        }
    };
    Ok(QuantizationConfig::from(BinaryQuantizationConfig {
        always_ram: always_ram(binary.memory, binary.always_ram)?,
        encoding,
        query_encoding: binary.query_encoding.map(of_queries).transpose()?,
    }))
}

fn of_queries(
    encoding: qdrant::BinaryQuantizationQueryEncoding,
) -> Result<BinaryQuantizationQueryEncoding, Status> {
    let setting = match encoding.variant {
        Some(Variant::Setting(setting)) => Setting::try_from(setting).ok(),
        None => None,
    };
    match setting {
        Some(Setting::Default) => Ok(BinaryQuantizationQueryEncoding::Default),
        Some(Setting::Binary) => Ok(BinaryQuantizationQueryEncoding::Binary),
        Some(Setting::Scalar4Bits) => Ok(BinaryQuantizationQueryEncoding::Scalar4Bits),
        Some(Setting::Scalar8Bits) => Ok(BinaryQuantizationQueryEncoding::Scalar8Bits),
        None => Err(Status::invalid_argument(
            "Unknown binary quantization query encoding",
        )),
    }
}

/// By way of the JSON of the server's REST interface: the engine does not export the type.
fn turbo(turbo: &TurboQuantization) -> Result<QuantizationConfig, Status> {
    let bits = match turbo.bits.map(TurboQuantBitSize::try_from) {
        None => None,
        Some(Ok(TurboQuantBitSize::Bits1)) => Some("bits1"),
        Some(Ok(TurboQuantBitSize::Bits15)) => Some("bits1_5"),
        Some(Ok(TurboQuantBitSize::Bits2)) => Some("bits2"),
        Some(Ok(TurboQuantBitSize::Bits4)) => Some("bits4"),
        Some(Ok(TurboQuantBitSize::Bits8)) => {
            return Err(status::not_offered("TurboQuant with 8 bits"));
        }
        Some(Err(_unknown)) => {
            return Err(Status::invalid_argument("Unknown turbo quantization bits"));
        }
    };
    let always_ram = always_ram(turbo.memory, turbo.always_ram)?;
    serde_json::from_value(json!({"turbo": {"always_ram": always_ram, "bits": bits}}))
        .map_err(|error| status::wrong(format_args!("Malformed quantization config: {error}")))
}
