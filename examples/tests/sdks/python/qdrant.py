"""Qdrant's client over gRPC: a collection from its making to its end."""

import json
import os
import uuid
import warnings
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models

warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
servers = json.loads(os.environ["SANDBOX"])
at = urlsplit(servers["qdrant_url"])


def connect(key: str) -> QdrantClient:
    return QdrantClient(
        host=at.hostname,
        grpc_port=at.port,
        prefer_grpc=True,
        https=False,
        api_key=key,
        check_compatibility=False,
    )


client = connect(servers["qdrant_api_key"])
said = {}
DOCS = "docs"
said["before"] = client.collection_exists(DOCS)
client.create_collection(
    DOCS,
    vectors_config={
        "dense": models.VectorParams(size=4, distance=models.Distance.COSINE)
    },
    sparse_vectors_config={
        "words": models.SparseVectorParams(modifier=models.Modifier.IDF)
    },
    # In part: the rest is the server's to say.
    hnsw_config=models.HnswConfigDiff(m=8),
    optimizers_config=models.OptimizersConfigDiff(indexing_threshold=20_000),
)
for field, schema in [
    ("library", models.PayloadSchemaType.KEYWORD),
    ("page", models.PayloadSchemaType.INTEGER),
    ("text", models.TextIndexParams(type="text", tokenizer=models.TokenizerType.WORD)),
]:
    client.create_payload_index(DOCS, field, field_schema=schema, wait=True)


def point(number: int) -> models.PointStruct:
    return models.PointStruct(
        id=number,
        vector={
            "dense": [float(number), 1.0, 0.0, 0.5],
            "words": models.SparseVector(indices=[1, 10 + number], values=[0.5, 1.0]),
        },
        payload={
            "library": "even" if number % 2 == 0 else "odd",
            "page": number,
            "text": f"the ferry number {number}",
        },
    )


client.upsert(DOCS, points=[point(number) for number in range(1, 21)], wait=True)
named = str(uuid.UUID(int=7))
client.upsert(
    DOCS,
    points=models.Batch(
        ids=[100, named],
        vectors={"dense": [[1, 2, 3, 4], [4, 3, 2, 1]]},
        payloads=[{"page": 100}, {"page": 101}],
    ),
)
client.upload_points(DOCS, [point(number) for number in range(21, 61)], batch_size=16, wait=True)

info = client.get_collection(DOCS)
said["info"] = [
    info.status.value,
    info.points_count,
    info.config.params.vectors["dense"].size,
    info.config.hnsw_config.m,
    sorted(info.payload_schema),
]
even = models.Filter(
    must=[models.FieldCondition(key="library", match=models.MatchValue(value="even"))]
)
said["count"] = [
    client.count(DOCS, exact=True).count,
    client.count(DOCS, count_filter=even, exact=True).count,
]

nearest = client.query_points(
    DOCS, query=[1.0, 2.0, 3.0, 4.0], using="dense", limit=1, with_payload=True, with_vectors=True
).points[0]
said["nearest"] = [nearest.id, nearest.payload, len(nearest.vector["dense"])]
words = models.SparseVector(indices=[12], values=[1.0])
said["sparse"] = client.query_points(DOCS, query=words, using="words", limit=1).points[0].id
legs = [
    models.Prefetch(query=[1.0, 2.0, 3.0, 4.0], using="dense", limit=20),
    models.Prefetch(query=words, using="words", limit=20),
]
said["fused"] = [
    sorted(hit.id for hit in client.query_points(DOCS, prefetch=legs, query=fusion, limit=2).points)
    for fusion in [
        models.FusionQuery(fusion=models.Fusion.RRF),
        models.RrfQuery(rrf=models.Rrf(k=60)),
        models.FusionQuery(fusion=models.Fusion.DBSF),
    ]
]
pages = models.Filter(
    must=[
        models.FieldCondition(key="page", range=models.Range(gte=3, lt=6)),
        models.FieldCondition(key="text", match=models.MatchText(text="ferry")),
    ],
    must_not=[models.HasIdCondition(has_id=[4])],
)
filtered = client.query_points(
    DOCS, query=[1.0, 1.0, 0.0, 0.5], using="dense", query_filter=pages, limit=9
)
said["filtered"] = sorted(hit.id for hit in filtered.points)

seen, offset = 0, None
while True:
    found, offset = client.scroll(DOCS, limit=25, offset=offset)
    seen += len(found)
    if offset is None:
        break
said["scrolled"] = seen
ordered, _ = client.scroll(
    DOCS, limit=3, order_by=models.OrderBy(key="page", direction=models.Direction.DESC)
)
said["ordered"] = [record.payload["page"] for record in ordered]
said["facet"] = {hit.value: hit.count for hit in client.facet(DOCS, key="library").hits}

client.set_payload(DOCS, payload={"seen": True}, points=[1])
client.delete_payload(DOCS, keys=["text"], points=[1])
client.update_vectors(
    DOCS, points=[models.PointVectors(id=2, vector={"dense": [9.0, 9.0, 9.0, 9.0]})]
)
client.batch_update_points(
    DOCS,
    update_operations=[
        models.UpsertOperation(upsert=models.PointsList(points=[point(61)])),
        models.DeleteOperation(delete=models.PointIdsList(points=[named])),
    ],
)
said["changed"] = client.retrieve(DOCS, ids=[1])[0].payload
client.delete(DOCS, points_selector=[100])
client.delete(DOCS, points_selector=models.FilterSelector(filter=even))
said["left"] = client.count(DOCS, exact=True).count

client.update_collection_aliases(
    change_aliases_operations=[
        models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=DOCS, alias_name="live")
        )
    ]
)
said["alias"] = client.count("live", exact=True).count
said["snapshot"] = client.create_snapshot(DOCS).name in [
    snapshot.name for snapshot in client.list_snapshots(DOCS)
]


def refused(call) -> str:
    try:
        call()
    except Exception as error:  # Whatever gRPC raises has a code.
        return error.code().name
    return "nothing"


said["refused"] = [
    refused(lambda: connect("wrong").get_collections()),
    refused(lambda: client.count("nowhere")),
    refused(lambda: client.query_points(DOCS, query=[1.0], using="dense")),
]
said["deleted"] = client.delete_collection(DOCS)
said["after"] = client.collection_exists(DOCS)
client.close()
print(json.dumps(said))
