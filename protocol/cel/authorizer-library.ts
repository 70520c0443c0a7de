import type { Environment } from '@marcbachmann/cel-js';

/** What an expression asks about a right; exactly one of `path` and `resource` is there. */
export interface RightQuestion {
  verb: string;
  path?: string;
  group?: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  fieldSelector?: string;
  labelSelector?: string;
  /** Of whom, where it is not who asks. */
  serviceAccount?: { namespace: string; name: string };
}

export interface RightAnswer {
  allowed: boolean;
  reason: string;
  error?: string;
}

/** Answers at once, or throws to be asked again when it knows. */
export type AskRight = (question: RightQuestion) => RightAnswer;

type Subject = Omit<RightQuestion, 'verb'>;

/** `authorizer` in expressions. */
export class CelAuthorizer {
  readonly ask: AskRight;
  /** What `authorizer.requestResource` is about. */
  readonly request: Subject;
  readonly subject: Subject;

  constructor(ask: AskRight, request: Subject, subject: Subject = {}) {
    this.ask = ask;
    this.request = request;
    this.subject = subject;
  }

  get requestResource(): CelResourceCheck {
    return new CelResourceCheck(this.ask, { ...this.subject, ...this.request });
  }
}

class CelCheck {
  readonly ask: AskRight;
  readonly subject: Subject;

  constructor(ask: AskRight, subject: Subject) {
    this.ask = ask;
    this.subject = subject;
  }
}

class CelPathCheck extends CelCheck {}
class CelGroupCheck extends CelCheck {}
class CelResourceCheck extends CelCheck {}

class CelDecision {
  readonly answer: RightAnswer;

  constructor(answer: RightAnswer) {
    this.answer = answer;
  }
}

const prefix = 'kubernetes.authorization';

/** Kubernetes' questions about rights (source: k8s.io/apiserver/pkg/cel/library, authz). */
export function registerAuthorizerLibrary(environment: Environment): void {
  const [authorizer, path, group, resource, decision] = [
    'Authorizer',
    'PathCheck',
    'GroupCheck',
    'ResourceCheck',
    'Decision',
  ].map((name) => `${prefix}.${name}`);
  environment
    .registerType(`${authorizer}`, CelAuthorizer)
    .registerType(`${path}`, CelPathCheck)
    .registerType(`${group}`, CelGroupCheck)
    .registerType(`${resource}`, CelResourceCheck)
    .registerType(`${decision}`, CelDecision)
    .registerFunction(
      `${authorizer}.path(string): ${path}`,
      ({ ask, subject }: CelAuthorizer, of: string) => new CelPathCheck(ask, { ...subject, path: of }),
    )
    .registerFunction(
      `${authorizer}.group(string): ${group}`,
      ({ ask, subject }: CelAuthorizer, of: string) => new CelGroupCheck(ask, { ...subject, group: of }),
    )
    .registerFunction(
      `${authorizer}.serviceAccount(string, string): ${authorizer}`,
      ({ ask, request, subject }: CelAuthorizer, namespace: string, name: string) =>
        new CelAuthorizer(ask, request, { ...subject, serviceAccount: { namespace, name } }),
    )
    .registerFunction(
      `${group}.resource(string): ${resource}`,
      ({ ask, subject }: CelGroupCheck, of: string) =>
        new CelResourceCheck(ask, { ...subject, resource: of }),
    );
  for (const part of ['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'] as const)
    environment.registerFunction(
      `${resource}.${part}(string): ${resource}`,
      ({ ask, subject }: CelResourceCheck, of: string) =>
        new CelResourceCheck(ask, { ...subject, [part]: of }),
    );
  for (const checked of [path, resource])
    environment.registerFunction(
      `${checked}.check(string): ${decision}`,
      ({ ask, subject }: CelCheck, verb: string) => new CelDecision(ask({ ...subject, verb })),
    );
  environment
    .registerFunction(`${decision}.allowed(): bool`, ({ answer }: CelDecision) => answer.allowed)
    .registerFunction(`${decision}.reason(): string`, ({ answer }: CelDecision) => answer.reason)
    .registerFunction(`${decision}.errored(): bool`, ({ answer }: CelDecision) => answer.error !== undefined)
    .registerFunction(`${decision}.error(): string`, ({ answer }: CelDecision) => answer.error ?? '');
}
