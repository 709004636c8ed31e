/** Projects: what tasks belong together in. */

import { type EitherCase, toWire } from './names.js';
import type * as t from './task-types.js';
import type { PageOptions } from './server-types.js';
import type { RequestOptions, Transport } from './transport.js';

export class Projects {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options: EitherCase<t.ProjectListOptions> = {}, request?: RequestOptions): Promise<t.ProjectPage> {
    return this.#transport.get('/projects', toWire(options), request);
  }

  async create(options: EitherCase<t.ProjectOptions>, request?: RequestOptions): Promise<t.Project> {
    return this.#transport.post('/projects', toWire(options), request);
  }

  /** With its newest tasks. */
  async get(projectId: string, options: PageOptions = {}, request?: RequestOptions): Promise<t.ProjectDetail> {
    return this.#transport.get(`/projects/${projectId}`, toWire(options), request);
  }

  async update(projectId: string, changes: EitherCase<t.ProjectChanges>, request?: RequestOptions): Promise<t.Project> {
    return this.#transport.patch(`/projects/${projectId}`, toWire(changes), request);
  }

  async delete(projectId: string, request?: RequestOptions): Promise<t.Removed> {
    return this.#transport.delete(`/projects/${projectId}`, request);
  }

  /** Has agents work through the project's ready tasks. */
  async run(projectId: string, options: EitherCase<t.ProjectRunOptions> = {}, request?: RequestOptions): Promise<t.ProjectRunStarted> {
    return this.#transport.post(`/projects/${projectId}/run`, toWire(options), request);
  }
}
