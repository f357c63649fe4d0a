// Speaks to the Runtime API: HTTP/1.1 over one connection, one request after another. Node's own client is made for any server
// and costs several times as much for each request; this one knows only what the Runtime API answers: a head, and a body whose
// length the head tells.

'use strict';

const net = require('node:net');

const BASE = '/2018-06-01/runtime/';
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** Splits a head into status and headers. */
function parseHead(text) {
  const lines = text.split('\r\n');
  const headers = Object.create(null);
  for (let at = 1; at < lines.length; at += 1) {
    const colon = lines[at].indexOf(':');
    headers[lines[at].slice(0, colon).toLowerCase()] = lines[at].slice(colon + 1).trim();
  }
  const length = Number(headers['content-length'] ?? NaN);
  if (!Number.isSafeInteger(length)) throw new Error('the Runtime API answered without a length');
  return { status: Number(lines[0].slice(9, 12)), headers, length };
}

/** Collects one answer from the pieces in which it comes. */
class Answer {
  #pieces = [];
  #bytes = 0;
  #head;
  #bodyAt = 0;

  /** The whole answer, once it is there. */
  take(piece) {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (!this.#head) {
      const all = this.#joined();
      const end = all.indexOf(END_OF_HEAD);
      if (end < 0) return undefined;
      this.#head = parseHead(all.latin1Slice(0, end));
      this.#bodyAt = end + END_OF_HEAD.length;
    }
    if (this.#bytes < this.#bodyAt + this.#head.length) return undefined;
    const body = this.#joined().utf8Slice(this.#bodyAt, this.#bodyAt + this.#head.length);
    return { status: this.#head.status, headers: this.#head.headers, body };
  }

  #joined() {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0];
  }
}

/** A connection that carries one request at a time. While it carries none it keeps the process from nothing. */
class Connection {
  #socket = net.connect({ host, port, noDelay: true });
  #answer;
  #settle;
  open = true;

  constructor() {
    this.#socket.on('data', (piece) => this.#take(piece));
    this.#socket.on('error', (error) => this.#over(error));
    this.#socket.on('close', () => this.#over(new Error('the Runtime API closed the connection')));
  }

  get busy() { return this.#settle !== undefined; }

  /** Expects an answer to what is written from now on. */
  expect() {
    this.#socket.ref();
    this.#answer = new Answer();
    return new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
  }

  write(bytes, done) { this.#socket.write(bytes, done); }

  cork() { this.#socket.cork(); }

  uncork() { this.#socket.uncork(); }

  end() { this.#socket.destroy(); }

  #take(piece) {
    if (!this.busy) {
      // Nothing was asked: whatever this is, the next request gets a connection of its own.
      this.end();
      return;
    }
    let answer;
    try { answer = this.#answer.take(piece); } catch (error) { this.end(); this.#over(error); return; }
    if (!answer) return;
    const { resolve } = this.#settle;
    this.#settle = undefined;
    this.#socket.unref();
    if (answer.headers.connection === 'close') this.end();
    resolve(answer);
  }

  #over(error) {
    this.open = false;
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.reject(error);
  }
}

let shared;

/** The connection all requests go over; another while it is in use or broken. */
function connection() {
  if (shared?.open && !shared.busy) return shared;
  const made = new Connection();
  if (!shared?.open) shared = made;
  return made;
}

function head(method, where, headers) {
  let text = `${method} ${BASE}${where} HTTP/1.1\r\nHost: ${host}:${port}\r\n`;
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  return `${text}\r\n`;
}

/** One request. A `lone` one has a connection of its own, so that it waits behind none that is still open. */
function call(method, where, body, headers = {}, lone = false) {
  const through = lone ? new Connection() : connection();
  const answered = through.expect();
  if (body === undefined) {
    through.write(head(method, where, headers));
  } else {
    const length = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers };
    through.write(head(method, where, length) + body);
  }
  return lone ? answered.finally(() => through.end()) : answered;
}

/** A request whose body is sent while it is made. */
class Upload {
  #through = connection();
  // The connection is the next request's from then on: what still comes of this one is dropped.
  #ended = false;

  constructor(where, headers) {
    /** Resolves when the platform has taken the whole body, or will not. */
    this.answered = this.#through.expect().then(() => {}, () => {});
    this.#through.write(head('POST', where, { ...headers, 'Transfer-Encoding': 'chunked' }));
  }

  write(piece, done) {
    if (this.#ended || piece.length === 0) {
      // An empty chunk would be the end.
      done?.();
      return;
    }
    this.#through.cork();
    this.#through.write(`${piece.length.toString(16)}\r\n`);
    this.#through.write(piece);
    this.#through.write('\r\n', done);
    this.#through.uncork();
  }

  end(trailers, done) {
    if (this.#ended) {
      done?.();
      return;
    }
    this.#ended = true;
    let text = '0\r\n';
    for (const name in trailers) text += `${name}: ${trailers[name]}\r\n`;
    this.#through.write(`${text}\r\n`, done);
  }
}

module.exports = { call, Upload };
