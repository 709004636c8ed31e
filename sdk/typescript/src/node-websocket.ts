/** A WebSocket client (RFC 6455) over Node's own http, for Node 18 to 21, which have none. Text messages only. */

import { createHash, randomBytes } from 'node:crypto';
import { request as requestOverHttp } from 'node:http';
import { request as requestOverHttps } from 'node:https';
import type { Duplex } from 'node:stream';

import type { WebSocketLike } from './websocket.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MOST_BYTES = 64 * 1024 * 1024;
const CLOSE_WITHIN_MS = 2_000;
const enum Opcode {
  Continuation = 0,
  Text = 1,
  Close = 8,
  Ping = 9,
  Pong = 10,
}

export class NodeWebSocket implements WebSocketLike {
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onclose: WebSocketLike['onclose'] = null;
  onerror: WebSocketLike['onerror'] = null;
  #socket: Duplex | undefined;
  readonly #reader = new FrameReader();
  readonly #handshake: { destroy(): void };
  #message: Buffer[] = [];
  #closed = false;
  #said: { code: number; reason: string } | undefined;

  constructor(url: string, protocols: string[] = []) {
    const key = randomBytes(16).toString('base64');
    const request = (url.startsWith('wss:') ? requestOverHttps : requestOverHttp)(url.replace(/^ws/, 'http'), {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': key,
        ...(protocols.length ? { 'Sec-WebSocket-Protocol': protocols.join(', ') } : {}),
      },
    });
    this.#handshake = request;
    request.on('upgrade', (response, socket, head) => {
      const expected = createHash('sha1').update(key + GUID).digest('base64');
      const protocol = response.headers['sec-websocket-protocol'];
      if (response.headers['sec-websocket-accept'] !== expected || (protocol && !protocols.includes(protocol))) {
        socket.destroy();
        return this.#fail(new Error('This is no WebSocket server.'));
      }
      this.#open(socket, head);
    });
    request.on('response', (response) => {
      response.resume();
      request.destroy();
      this.#fail(new Error(`The handshake was answered with ${response.statusCode}.`));
    });
    request.on('error', (error) => this.#fail(error));
    request.end();
  }

  send(text: string): void {
    if (!this.#closed) this.#socket?.write(encodeFrame(Opcode.Text, Buffer.from(text)));
  }

  /** Says good-bye, and waits a moment for the answer. */
  close(code = 1000, reason = ''): void {
    if (this.#closed) return;
    if (!this.#socket) {
      this.#handshake.destroy();
      return this.#end(1006, '');
    }
    this.#socket.end(encodeFrame(Opcode.Close, closePayload(code, reason)));
    setTimeout(() => this.#socket?.destroy(), CLOSE_WITHIN_MS).unref();
  }

  #open(socket: Duplex, head: Buffer): void {
    if (this.#closed) return void socket.destroy();
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error));
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#end(this.#said?.code ?? 1006, this.#said?.reason ?? ''));
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.onopen?.({});
    if (head.length) this.#read(head);
  }

  #read(bytes: Buffer): void {
    try {
      for (const frame of this.#reader.take(bytes)) {
        if (!this.#closed) this.#take(frame);
      }
    } catch (error) {
      this.#socket?.destroy();
      this.#fail(error);
    }
  }

  #take({ opcode, isLast, payload }: WebSocketFrame): void {
    if (opcode === Opcode.Ping) return void this.#socket?.write(encodeFrame(Opcode.Pong, payload));
    if (opcode === Opcode.Pong) return;
    if (opcode === Opcode.Close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.#said = { code, reason: payload.subarray(2).toString() };
      return void this.#socket?.end(encodeFrame(Opcode.Close, payload.subarray(0, 2)));
    }
    if ((opcode === Opcode.Continuation) !== this.#message.length > 0) throw new Error('A message in a message.');
    this.#message.push(payload);
    if (!isLast) return;
    const message = Buffer.concat(this.#message);
    this.#message = [];
    this.onmessage?.({ data: message.toString() });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.onerror?.({ error, message: (error as Error).message });
    this.#end(1006, '');
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.({ code, reason });
  }
}

interface WebSocketFrame {
  opcode: Opcode;
  isLast: boolean;
  payload: Buffer;
}

/** Cuts what arrives into frames. */
class FrameReader {
  #pieces: Buffer[] = [];
  #length = 0;
  #needed = 2;

  take(bytes: Buffer): WebSocketFrame[] {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    const frames: WebSocketFrame[] = [];
    // Joined only when there is enough: a large message comes in many pieces.
    while (this.#length >= this.#needed) {
      const buffer = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#length);
      const size = sizeOf(buffer);
      if (size.header === 0 || buffer.length < size.header + size.payload) {
        this.#pieces = [buffer];
        this.#needed = Math.max(size.header + size.payload, buffer.length + 1);
        break;
      }
      const end = size.header + size.payload;
      frames.push({
        opcode: buffer[0]! & 0x0f,
        isLast: (buffer[0]! & 0x80) !== 0,
        payload: buffer.subarray(size.header, end),
      });
      this.#pieces = [buffer.subarray(end)];
      this.#length -= end;
      this.#needed = 2;
    }
    return frames;
  }
}

/** How long the frame's head and payload are; a head of 0 when not even that is there. */
function sizeOf(buffer: Buffer): { header: number; payload: number } {
  if (buffer[1]! & 0x80 || buffer[0]! & 0x70) throw new Error('A frame that no server sends.');
  const short = buffer[1]! & 0x7f;
  if (short < 126) return { header: 2, payload: short };
  const header = short === 126 ? 4 : 10;
  if (buffer.length < header) return { header: 0, payload: 0 };
  const payload = short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  if (payload > MOST_BYTES) throw new Error('A frame that is too large.');
  return { header, payload };
}

function encodeFrame(opcode: Opcode, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let place = 0; place < length; place += 1) masked[place]! ^= mask[place & 3]!;
  return Buffer.concat([head, mask, masked]);
}

function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return Buffer.concat([payload, Buffer.from(reason).subarray(0, 123)]);
}
