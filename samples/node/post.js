// A publish and subscribe plugin: messages in folders, `pubsub.node-post`.
//
//     <folder>/topics/<topic>/<consumer>/…     what waits for a consumer, a file a message
//     <folder>/drafts/…                        what is being written
//
// A consumer is there from its first subscription on, also while it is away. What is published
// before is not for it.
"use strict";

const { readdir } = require("node:fs/promises");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const { Delivery } = require("./delivery.js");
const { Inbox, clearDrafts, put, unlessMissing } = require("./inbox.js");
const { Opened, codeOf, componentOf, contract, needed, run, unary } = require("./serving.js");

const pubsub = contract("pubsub.proto");
// Messages are kept as they go over the wire.
const wire = pubsub.services.PubSub.service.PullMessages;
const offices = new Opened();

// A component: its folder, and in whose name it subscribes.
class Office {
  constructor(folder, consumer) {
    this.folder = folder;
    this.consumer = consumer;
    this.drafts = path.join(folder, "drafts");
  }

  inbox(topic) {
    return new Inbox(path.join(this.#topic(topic), encoded(this.consumer))).make();
  }

  // Puts a message into the inboxes of everybody who has subscribed.
  async publish(message) {
    const topic = this.#topic(message.topic_name);
    const consumers = (await unlessMissing(readdir(topic))) ?? [];
    const inboxes = consumers.map((consumer) => new Inbox(path.join(topic, consumer)));
    await put(this.drafts, inboxes, wire.responseSerialize(message));
  }

  #topic(topic) {
    return path.join(this.folder, "topics", encoded(topic));
  }
}

// A name of one folder, whatever is in it.
function encoded(name) {
  return encodeURIComponent(name).replaceAll(".", "%2E");
}

// The first message of the stream names the topic, the others acknowledge.
function pullMessages(call) {
  let delivery;
  call.on("data", (request) => {
    if (delivery === undefined) {
      delivery = subscribe(call, request.topic?.name ?? "");
      delivery.catch((error) => call.emit("error", { code: codeOf(error), details: error.message }));
    } else if (request.ack_message_id) {
      const refused = Boolean(request.ack_error);
      delivery.then((it) => it.acknowledge(request.ack_message_id, refused), () => {});
    }
  });
  call.on("end", () => {
    if (delivery === undefined) {
      call.end();
    } else {
      delivery.then((it) => it.end(), () => {});
    }
  });
}

async function subscribe(call, topic) {
  const inbox = await offices.get(componentOf(call)).inbox(topic);
  // From now on messages wait for this consumer, which the caller can see by the headers.
  call.sendMetadata(new grpc.Metadata());
  return new Delivery(call, inbox, (name, content) => ({
    ...wire.responseDeserialize(content),
    id: name,
  }));
}

run("node-post", pubsub, {
  PubSub: {
    Init: unary(async (request, component) => {
      const folder = needed(request, "folder", "where the messages are kept");
      const office = new Office(folder, request.metadata.properties.consumerID || "consumer");
      await clearDrafts(office.drafts);
      offices.set(component, office);
      return {};
    }),

    Features: unary(async () => ({ features: ["BULK_PUBSUB"] })),

    Ping: unary(async () => ({})),

    Publish: unary(async ({ topic, data, metadata, content_type }, component) => {
      await offices.get(component).publish({ topic_name: topic, data, metadata, content_type });
      return {};
    }),

    BulkPublish: unary(async ({ topic, entries, metadata }, component) => {
      const office = offices.get(component);
      for (const entry of entries) {
        await office.publish({
          topic_name: topic,
          data: entry.event,
          metadata: { ...metadata, ...entry.metadata },
          content_type: entry.content_type,
        });
      }
      return {};
    }),

    PullMessages: pullMessages,
  },
});
