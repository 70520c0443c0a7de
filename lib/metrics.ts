/**
 * Counters, gauges and histograms in Prometheus' text format (docs/decisions/0150-own-metrics.md). Counting is a
 * look-up in a map and an addition; what can be read from elsewhere (queue lengths, memory) is read when somebody
 * asks and costs nothing before.
 */
export interface Metrics {
  counter(description: MetricDescription): Counter;
  histogram(
    description: MetricDescription & { /** Upper bounds, ascending. */ buckets: readonly number[] },
  ): Histogram;
  /** A gauge or counter whose values are asked for at each `text()`. One that fails is left out that time. */
  read(
    description: MetricDescription & { type: 'gauge' | 'counter'; values: () => Values | Promise<Values> },
  ): void;
  /** Everything, in Prometheus' text format 0.0.4. */
  text(): Promise<string>;
}

export interface MetricDescription {
  name: string;
  help: string;
  /** Label names; label values are always given in this order. */
  labels?: readonly string[];
}

export interface Counter {
  of(...labels: string[]): { add(count?: number): void };
}

export interface Histogram {
  of(...labels: string[]): { observe(value: number): void };
}

/** One value without labels, or one for each combination of label values. */
export type Values = number | readonly { labels: readonly string[]; value: number }[];

/**
 * Series of one metric. What comes after is counted under labels that all say `other`: a client must not fill our
 * memory.
 */
export const seriesMax = 2_000;

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export function createMetrics(): Metrics {
  const families = new Map<string, Family>();
  const add = (family: Family) => {
    const { name } = family.description;
    if (families.has(name)) throw new TypeError(`the metric ${name} exists already`);
    families.set(name, family);
  };
  return {
    counter(description) {
      const series = createSeries(description, () => new CounterSeries());
      add({
        description,
        type: 'counter',
        lines: () => [...series.all()].map(([labels, { count }]) => line(description.name, labels, count)),
      });
      return { of: (...labels) => series.of(labels) };
    },
    histogram(description) {
      const { name, buckets } = description;
      const series = createSeries(description, () => new HistogramSeries(buckets));
      add({
        description,
        type: 'histogram',
        lines: () => [...series.all()].flatMap(([labels, values]) => values.lines(name, labels)),
      });
      return { of: (...labels) => series.of(labels) };
    },
    read(description) {
      const { name, type, values, labels = [] } = description;
      const lines = async () => {
        const found = await values();
        if (typeof found === 'number') return [line(name, '', found)];
        return found.map((sample) => line(name, labelText(labels, sample.labels), sample.value));
      };
      add({ description, type, lines });
    },
    async text() {
      const parts = await Promise.all([...families.values()].map(familyText));
      return parts.join('');
    },
  };
}

interface Family {
  description: MetricDescription;
  type: 'counter' | 'gauge' | 'histogram';
  lines: () => readonly string[] | Promise<readonly string[]>;
}

async function familyText({ description: { name, help }, type, lines }: Family): Promise<string> {
  try {
    const found = await lines();
    if (found.length === 0) return '';
    const about = help.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
    return `# HELP ${name} ${about}\n# TYPE ${name} ${type}\n${found.join('')}`;
  } catch {
    return '';
  }
}

/** The series of one metric, by their label values. */
function createSeries<S>({ name, labels = [] }: MetricDescription, create: () => S) {
  const known = new Map<string, { text: string; series: S }>();
  const of = (values: readonly string[]): S => {
    const key = values.join('\0');
    const found = known.get(key);
    if (found) return found.series;
    if (values.length !== labels.length) throw new TypeError(`${name} has the labels ${labels.join(', ')}`);
    if (known.size >= seriesMax && !values.every((value) => value === 'other'))
      return of(labels.map(() => 'other'));
    const series = create();
    known.set(key, { text: labelText(labels, values), series });
    return series;
  };
  return { of, all: () => known.values().map(({ text, series }): [string, S] => [text, series]) };
}

class CounterSeries {
  count = 0;

  add(count = 1): void {
    this.count += count;
  }
}

class HistogramSeries {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  lines(name: string, labels: string): string[] {
    let total = 0;
    const buckets = this.#counts.map((count, at) => {
      total += count;
      const bound = `le="${this.#bounds[at] ?? '+Inf'}"`;
      return line(`${name}_bucket`, labels === '' ? bound : `${labels},${bound}`, total);
    });
    return [...buckets, line(`${name}_sum`, labels, this.#sum), line(`${name}_count`, labels, total)];
  }
}

function line(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, at) => `${name}="${escaped(values[at] ?? '')}"`).join(',');
}

function escaped(value: string): string {
  return value.replaceAll(/[\\"\n]/g, (character) =>
    character === '\n' ? String.raw`\n` : `\\${character}`,
  );
}
