// An application on Dapr's public SDK for Node.js, led step by step: ../README.md tells how.
"use strict";

const readline = require("node:readline");
const { CommunicationProtocolEnum, DaprClient, DaprServer } = require("@dapr/dapr");

// What the SDK logs goes where logs belong.
const logger = {
  service: {
    error: console.error,
    warn: console.error,
    info: console.error,
    verbose: console.error,
    debug: console.error,
  },
};

// Some calls give their error back, others throw it.
function succeeded(result) {
  if (result?.error) {
    throw result.error;
  }
}

// Values that look like JSON come back parsed; here they are all text.
function text(value) {
  return value === undefined || value === null ? "" : String(value);
}

// What comes from outside, to be asked for one by one.
class Events {
  waiting = [];
  come = [];

  put(event) {
    const asked = this.waiting.shift();
    asked ? asked(event) : this.come.push(event);
  }

  async next() {
    return this.come.length > 0
      ? this.come.shift()
      : new Promise((resolve) => this.waiting.push(resolve));
  }
}

// Every method is a step.
class Application {
  constructor(client, components, { events, messages, gathered }) {
    this.client = client;
    this.events = events;
    this.messages = messages;
    this.gatheredMessages = gathered;
    this.bus = components.pubsub;
    this.binding = components.binding;
    this.store = components.state;
    this.vault = components.secrets;
  }

  async save({ key, value, etag }) {
    succeeded(await this.client.state.save(this.store, [{ key, value, etag }]));
  }

  async save_bulk({ values }) {
    const states = Object.entries(values).map(([key, value]) => ({ key, value }));
    succeeded(await this.client.state.save(this.store, states));
  }

  // `get` alone tells no etag.
  async get({ key }) {
    const value = text(await this.client.state.get(this.store, key));
    const [entry] = await this.client.state.getBulk(this.store, [key]);
    if (text(entry.data) !== value) {
      throw new Error(`get says ${value}, getBulk ${entry.data}`);
    }
    return { value, etag: text(entry.etag) };
  }

  async get_bulk({ keys }) {
    const entries = await this.client.state.getBulk(this.store, keys);
    return Object.fromEntries(entries.map((entry) => [entry.key, text(entry.data)]));
  }

  async transact(operations) {
    const upserts = Object.entries(operations.set);
    await this.client.state.transaction(this.store, [
      ...upserts.map(([key, value]) => ({ operation: "upsert", request: { key, value } })),
      ...operations.delete.map((key) => ({ operation: "delete", request: { key } })),
    ]);
  }

  async delete({ key, etag }) {
    succeeded(await this.client.state.delete(this.store, key, { etag }));
  }

  async work({ rounds }) {
    for (let round = 0; round < rounds; round++) {
      await this.save({ key: "work", value: `${round}` });
      const value = text(await this.client.state.get(this.store, "work"));
      if (value !== `${round}`) {
        throw new Error(`${value} was read where ${round} had been saved`);
      }
    }
  }

  secret({ key }) {
    return this.client.secret.get(this.vault, key);
  }

  secrets() {
    return this.client.secret.getBulk(this.vault);
  }

  async publish({ topic, data }) {
    succeeded(await this.client.pubsub.publish(this.bus, topic, data));
  }

  async invoke({ operation, data }) {
    return text(await this.client.binding.send(this.binding, operation, data));
  }

  event() {
    return this.events.next();
  }

  message() {
    return this.messages.next();
  }

  gathered() {
    return this.gatheredMessages.next();
  }
}

function failure(error) {
  // Over HTTP the status is told in JSON in the message.
  let code = error.code;
  try {
    code ??= JSON.parse(error.message).status;
  } catch {
    // It has no status.
  }
  return { error: error.message, code: text(code) };
}

function say(answer) {
  console.log(`answer ${JSON.stringify(answer)}`);
}

// What the application's server subscribes to: one message at a time, and several.
const SERVED_TOPIC = "served";
const GATHERED_TOPIC = "gathered";

// Takes the events of a binding, and the messages of two topics.
async function serve(communicationProtocol, port, components, { events, messages, gathered }) {
  const { DAPR_HTTP_PORT, DAPR_GRPC_PORT } = process.env;
  const http = communicationProtocol === CommunicationProtocolEnum.HTTP;
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort: port,
    communicationProtocol,
    clientOptions: {
      daprHost: "127.0.0.1",
      daprPort: http ? DAPR_HTTP_PORT : DAPR_GRPC_PORT,
      communicationProtocol,
      logger,
    },
    logger,
  });
  await server.binding.receive(components.binding, async (data) => events.put(data));
  await server.pubsub.subscribe(components.pubsub, SERVED_TOPIC, async (data) => {
    messages.put(text(data));
  });
  await server.pubsub.subscribeBulk(components.pubsub, GATHERED_TOPIC, async (data) => {
    gathered.put(text(data));
  });
  await server.start();
  return server;
}

async function main() {
  const http = process.env.DAPR_PROTOCOL === "http";
  const communicationProtocol = http
    ? CommunicationProtocolEnum.HTTP
    : CommunicationProtocolEnum.GRPC;
  const components = JSON.parse(process.argv[2]);
  const arrivals = { events: new Events(), messages: new Events(), gathered: new Events() };
  const port = process.env.APP_PORT;
  const server = port && (await serve(communicationProtocol, port, components, arrivals));
  const client = new DaprClient({ communicationProtocol, logger });
  await client.start();
  const application = new Application(client, components, arrivals);
  say({ ok: "connected" });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { step, arguments: given } = JSON.parse(line);
    try {
      say({ ok: (await application[step](given)) ?? null });
    } catch (error) {
      say(failure(error));
    }
  }
  await client.stop();
  await server?.stop();
}

main();
