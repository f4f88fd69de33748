/* Browsers start no worker from a page on disk. There, the search worker runs in a hidden frame. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      const add = () => {
        document.body.append(this.frame);
        const worker = this.frame.contentWindow;
        worker.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        worker.importScripts = (...names) => {
          const load = (name) =>
            new Promise((resolve, reject) => {
              const script = worker.document.createElement("script");
              script.src = new URL(name, url);
              script.onload = resolve;
              script.onerror = reject;
              worker.document.head.append(script);
            });
          return names.reduce((before, name) => before.then(() => load(name)), Promise.resolve());
        };
        const script = worker.document.createElement("script");
        script.src = url;
        script.onload = () => {
          this.worker = worker;
          this.waiting.forEach((data) => this.postMessage(data));
        };
        worker.document.head.append(script);
      };
      document.body ? add() : document.addEventListener("DOMContentLoaded", add);
    }

    postMessage(data) {
      if (this.worker) {
        this.worker.dispatchEvent(new MessageEvent("message", { data }));
      } else {
        this.waiting.push(data);
      }
    }

    terminate() {
      this.frame.remove();
    }
  };
}
