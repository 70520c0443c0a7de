import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';

/**
 * A server of custom.metrics.k8s.io/v1beta1 and external.metrics.k8s.io/v1beta1. It answers the autoscalers' account only,
 * and reads its figures, by path and query, from a file. Arguments: port, key file, certificate file, file of the front
 * proxy's CA, file of the figures. Prints a line for each request.
 */
const [port = '0', keyFile = '', certificateFile = '', frontProxyFile = '', figuresFile = ''] =
  process.argv.slice(2);
const autoscaler = 'system:serviceaccount:kube-system:horizontal-pod-autoscaler';

type Figures = Record<string, { kind?: string; values: Record<string, string> }>;

function send(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

function mayAsk(request: IncomingMessage): boolean {
  return (request.socket as TLSSocket).authorized && request.headers['x-remote-user'] === autoscaler;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(request.url ?? '/').replaceAll('+', ' ');
  const [, apis, group, version, ...rest] = path.split('/');
  const groupVersion = `${group}/${version}`;
  if (apis !== 'apis') return send(response, 404, {});
  if (rest.length === 0)
    return send(response, 200, {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion,
      resources: [],
    });
  console.log(`asked for ${rest.join('/')}`);
  if (!mayAsk(request)) return send(response, 403, { kind: 'Status', message: 'who are you?', code: 403 });
  const found = (JSON.parse(readFileSync(figuresFile, 'utf8')) as Figures)[rest.join('/')];
  if (!found) return send(response, 404, { kind: 'Status', message: 'no such metric here', code: 404 });
  const timestamp = new Date().toISOString();
  const items = Object.entries(found.values).map(([name, value]) =>
    found.kind === undefined
      ? { metricName: name, metricLabels: {}, timestamp, value }
      : { describedObject: { kind: found.kind, name }, metricName: 'any', timestamp, value },
  );
  const kind = found.kind === undefined ? 'ExternalMetricValueList' : 'MetricValueList';
  send(response, 200, { kind, apiVersion: groupVersion, metadata: {}, items });
}

const server = createServer(
  {
    key: readFileSync(keyFile),
    cert: readFileSync(certificateFile),
    ca: readFileSync(frontProxyFile),
    requestCert: true,
    rejectUnauthorized: false,
  },
  answer,
);
server.listen(Number(port), '0.0.0.0', () => console.log(`listening on ${port}`));
