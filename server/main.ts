import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { namespaceKind } from '../protocol/kinds/namespace.ts';
import { kinds } from '../protocol/kinds/registry.ts';
import { isStatus } from '../protocol/status.ts';
import { createCache } from './cache/create-cache.ts';
import type { ServerConfig } from './config/server-config.ts';
import { controllers } from './controllers/registry.ts';
import { runControllers } from './controllers/run-controllers.ts';
import { createPodStreams } from './nodes/stream-sessions.ts';
import { createRegistry } from './registry/create-registry.ts';
import { createEventRecorder } from './registry/event-recorder.ts';
import type { Registry } from './registry/registry.ts';
import { schedulerPlugins } from './scheduler/registry.ts';
import { startScheduler } from './scheduler/scheduler.ts';

/** The server's composition root: everything is made here, handed what it needs, and taken down in reverse order. */
export interface RunningServer extends AsyncDisposable {
  apiUrl: string;
  mqttPort: number;
  /** Path of the admin kubeconfig. */
  kubeconfig: string;
}
