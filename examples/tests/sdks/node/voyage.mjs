// Voyage AI's SDK: every endpoint.
import { VoyageAIClient } from 'voyageai';

const servers = JSON.parse(process.env.SANDBOX);
const to = { baseUrl: servers.voyage_base_url, maxRetries: 0 };
const client = new VoyageAIClient({ ...to, apiKey: servers.voyage_api_key });
const texts = ['the ferry leaves at nine', 'bread is baked at night'];
const lengths = (reply) => reply.data.map(({ embedding }) => embedding.length);
const said = {};

said.embed = lengths(
  await client.embed({ input: texts, model: 'voyage-3.5', inputType: 'document', outputDimension: 256 }),
);
said.one = lengths(await client.embed({ input: texts[0], model: 'voyage-4', outputDtype: 'int8' }));
const encoded = await client.embed({ input: texts, model: 'voyage-3.5', encodingFormat: 'base64' });
said.base64 = encoded.data.map(({ embedding }) => Buffer.from(embedding, 'base64').length);
said.tokens = encoded.usage.totalTokens;

const query = 'when does the ferry leave';
const ranked = await client.rerank({
  query, documents: [...texts].reverse(), model: 'rerank-2.5', topK: 1, returnDocuments: true,
});
said.rerank = ranked.data.map(({ index, document }) => [index, document]);

const chunks = await client.contextualizedEmbed({
  inputs: [['the ferry', 'leaves at nine'], ['bread']], model: 'voyage-context-3', inputType: 'document',
});
said.contextualized = chunks.results.map(({ embeddings }) => embeddings.length);

const pixel =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
said.multimodal = lengths(
  await client.multimodalEmbed({
    inputs: [{ content: [{ type: 'text', text: 'red' }, { type: 'image_base64', imageBase64: pixel }] }],
    model: 'voyage-multimodal-3',
  }),
);

const refused = (call) => call.then(() => 'nothing', (error) => error.statusCode);
const wrong = new VoyageAIClient({ ...to, apiKey: 'pa-wrong' });
said.refused = [
  await refused(wrong.embed({ input: texts, model: 'voyage-3.5' })),
  await refused(client.embed({ input: texts, model: 'no-such-model' })),
];
console.log(JSON.stringify(said));
