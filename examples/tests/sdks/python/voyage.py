"""Voyage AI's SDK: every endpoint, every type of number, and the errors that it tells apart."""

import asyncio
import json
import os

import PIL.Image
import voyageai

servers = json.loads(os.environ["SANDBOX"])
url, key = servers["voyage_base_url"], servers["voyage_api_key"]
client = voyageai.Client(api_key=key, base_url=url)
said = {}

texts = ["the ferry leaves at nine", "bread is baked at night"]
documents = client.embed(
    texts, model="voyage-3.5", input_type="document", output_dimension=256
)
said["embed"] = [len(vector) for vector in documents.embeddings]
said["tokens"] = documents.total_tokens

said["types"] = {}
for kind in ["float", "int8", "uint8", "binary", "ubinary"]:
    reply = client.embed(texts[:1], model="voyage-3.5", output_dtype=kind)
    number = reply.embeddings[0][0]
    said["types"][kind] = [len(reply.embeddings[0]), type(number).__name__]

ranked = client.rerank("when does the ferry leave", texts[::-1], model="rerank-2.5", top_k=1)
said["rerank"] = [[hit.index, hit.document] for hit in ranked.results]

chunks = client.contextualized_embed(
    [["the ferry", "leaves at nine"], ["bread"]],
    model="voyage-context-3",
    input_type="document",
)
said["contextualized"] = [len(document.embeddings) for document in chunks.results]

picture = PIL.Image.new("RGB", (64, 32), (200, 10, 10))
mixed = client.multimodal_embed([["a red box", picture], ["text"]], model="voyage-multimodal-3")
said["multimodal"] = [len(vector) for vector in mixed.embeddings]
said["pixels"] = mixed.image_pixels


async def beside() -> int:
    return len((await voyageai.AsyncClient(api_key=key, base_url=url).embed(texts, model="voyage-4")).embeddings)


said["async"] = asyncio.run(beside())


def refused(call) -> str:
    try:
        call()
    except voyageai.error.VoyageError as error:
        return type(error).__name__
    return "nothing"


wrong = voyageai.Client(api_key="pa-wrong", base_url=url)
said["refused"] = [
    refused(lambda: wrong.embed(texts, model="voyage-3.5")),
    refused(lambda: client.embed(texts, model="no-such-model")),
    refused(lambda: client.embed(["x"] * 1001, model="voyage-3.5")),
]
print(json.dumps(said))
