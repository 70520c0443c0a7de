/**
 * `$(NAME)` references in env values, commands and arguments by Kubernetes' rules
 * (source: k8s.io/kubernetes/third_party/forked/golang/expansion): a known name is replaced, an unknown one stays
 * as it is written, `$$` is a literal `$`, and a lone `$` is itself.
 */
export function expand(input: string, lookup: (name: string) => string | undefined): string {
  return input.replace(/\$(?:\$|\(([^)]*)\))/g, (match: string, name: string | undefined) =>
    name === undefined ? '$' : (lookup(name) ?? match),
  );
}
