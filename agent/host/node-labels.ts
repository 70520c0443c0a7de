/** The well-known labels, and the board's model where it is known. `own` are the owner's and win. */
export function nodeLabels(options: {
  name: string;
  architecture: string;
  model: string;
  own: Readonly<Record<string, string>>;
}): Record<string, string> {
  const board = labelValue(options.model);
  return {
    'kubernetes.io/arch': options.architecture,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/hostname': options.name,
    ...(board === '' ? {} : { 'node.kubernetes.io/instance-type': board, 'flotilla.dev/board': board }),
    ...options.own,
  };
}

/** `Raspberry Pi 4 Model B Rev 1.4` becomes `Raspberry-Pi-4-Model-B-Rev-1.4`: letters, digits, `-_.`, at most 63. */
export function labelValue(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}
