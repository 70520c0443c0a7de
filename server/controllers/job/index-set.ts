/** Sets of completion indexes in the short form that Kubernetes writes: `1,3-5,7`. */

/** What is malformed, or not below `limit`, is not there. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim()) ?? [];
    if (first === undefined) continue;
    const end = Math.min(Number(last ?? first), limit - 1);
    for (let index = Number(first); index <= end; index += 1) indexes.add(index);
  }
  return indexes;
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const ordered = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < ordered.length; ) {
    let end = at;
    while (ordered[end + 1] === (ordered[end] ?? 0) + 1) end += 1;
    // Two neighbours are a range too.
    parts.push(end === at ? `${ordered[at]}` : `${ordered[at]}-${ordered[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}
