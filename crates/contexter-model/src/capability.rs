//! What every request type says of itself.

/// Makes request types capabilities: `Request => "name", Response;`.
macro_rules! capability {
    ($($request:ty => $name:literal, $response:ty;)*) => {$(
        impl contexter_service::Capability for $request {
            const NAME: &'static str = $name;
            type Response = $response;
            type Error = crate::Error;
        }
    )*};
}

pub(crate) use capability;
