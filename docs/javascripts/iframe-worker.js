// Search without a server: a page opened from a folder may not start a worker, so the search runs in a hidden frame.
"use strict"
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      // document.write keeps the frame of this page's own origin; what a folder serves has none.
      const inner = frame.contentDocument
      inner.open()
      inner.write("<!doctype html><title>search</title>")
      inner.close()
      frame.contentWindow.postMessage = data => this.tell(data)
      this.waiting = []
      const script = inner.createElement("script")
      script.src = url
      script.onload = () => {
        this.frame = frame
        for (const data of this.waiting.splice(0)) this.postMessage(data)
      }
      script.onerror = () => this.dispatchEvent(new ErrorEvent("error", { message: `cannot load ${url}` }))
      inner.head.append(script)
    }

    tell(data) {
      const event = new MessageEvent("message", { data })
      this.dispatchEvent(event)
      this.onmessage?.(event)
    }

    postMessage(data) {
      if (!this.frame) this.waiting.push(data)
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }

    terminate() {
      this.frame?.remove()
    }
  }
  window.Worker = window.IFrameWorker
}
