/** Reading the text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats */

export interface Family {
  name: string;
  type: string;
  help: string;
  /** `name{labels}` → value, as written. */
  samples: Map<string, number>;
}

/** Families by name; throws on a line that is of no known form. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    const sample = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) (nan|[+-]?inf|[-+.\de]+)$/i.exec(line);
    if (help !== null) {
      current = { name: help[1] ?? '', help: help[2] ?? '', type: '', samples: new Map() };
      families.set(current.name, current);
    } else if (type !== null && current !== undefined && current.name === type[1]) {
      current.type = type[2] ?? '';
    } else if (sample !== null && current !== undefined) {
      current.samples.set(sample[1] ?? '', Number(sample[2]));
    } else if (line !== '') {
      throw new Error(`not a line of the format: ${line}`);
    }
  }
  return families;
}

/** The names a query may use: of a histogram its three series. */
export function seriesNames(families: ReadonlyMap<string, Family>): Set<string> {
  const names = [...families.values()].flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  return new Set(names);
}
