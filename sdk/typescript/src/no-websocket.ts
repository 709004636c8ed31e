/** In bundles for browsers and React Native, in place of `node-websocket`: these have a WebSocket of their own. */

import { PenguinError } from './errors.js';

export class NodeWebSocket {
  constructor() {
    throw new PenguinError('There is no WebSocket here: pass one as `WebSocket`.');
  }
}
