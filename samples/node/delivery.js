// Delivers what waits in an inbox over a stream, and takes its acknowledgements.
"use strict";

const { codeOf } = require("./serving.js");

// So many messages may be on their way in one stream.
const UNACKNOWLEDGED = 100;
// A message that the application refused comes again after this.
const RETRY_MILLISECONDS = 1000;

// One stream of messages. What is not acknowledged stays, and is delivered by the next stream.
class Delivery {
  #call;
  #inbox;
  #toMessage;
  #onTheWay = new Set();
  // Everything is done one after the other.
  #work = Promise.resolve();
  #looking = false;
  #open = true;
  #watcher;

  // `toMessage` makes the answer of a message's name and content.
  constructor(call, inbox, toMessage) {
    this.#call = call;
    this.#inbox = inbox;
    this.#toMessage = toMessage;
    this.#watcher = inbox.watch(() => this.#look());
    call.on("cancelled", () => this.#close());
    this.#look();
  }

  // The application has taken a message, or refused it.
  acknowledge(name, refused) {
    if (refused) {
      setTimeout(() => this.#again(name), RETRY_MILLISECONDS).unref();
    } else {
      this.#then(async () => {
        await this.#inbox.remove(name);
        this.#again(name);
      });
    }
  }

  // The caller says no more, so neither does the plugin.
  end() {
    this.#then(async () => {
      this.#close();
      this.#call.end();
    });
  }

  #again(name) {
    this.#onTheWay.delete(name);
    this.#look();
  }

  // Sends what has not been sent. News that come while it is still to look are of no interest.
  #look() {
    if (this.#looking || !this.#open) {
      return;
    }
    this.#looking = true;
    this.#then(async () => {
      this.#looking = false;
      for (const name of await this.#inbox.names()) {
        if (!this.#open || this.#onTheWay.size >= UNACKNOWLEDGED) {
          return;
        }
        if (this.#onTheWay.has(name)) {
          continue;
        }
        const content = await this.#inbox.read(name);
        if (content !== null && this.#open) {
          this.#onTheWay.add(name);
          this.#call.write(this.#toMessage(name, content));
        }
      }
    });
  }

  #then(task) {
    this.#work = this.#work.then(task).catch((error) => {
      this.#close();
      this.#call.emit("error", { code: codeOf(error), details: error.message });
    });
  }

  #close() {
    this.#open = false;
    this.#watcher.close();
  }
}

module.exports = { Delivery };
