/** Reading PromQL with Prometheus' own grammar. */
import { parser } from '@prometheus-io/lezer-promql';

export interface Query {
  /** Series it asks for, each with its matchers `label="value"`. */
  selectors: { name: string; equals: { label: string; value: string }[]; labels: string[] }[];
  /** Labels it groups by. */
  groupedBy: string[];
}

/** @throws Error when the expression is no PromQL */
export function readQuery(expression: string): Query {
  const text = expression.replaceAll('$__rate_interval', '5m');
  const query: Query = { selectors: [], groupedBy: [] };
  const shown = (node: { from: number; to: number }): string => text.slice(node.from, node.to);
  parser.parse(text).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`not PromQL: ${text}`);
      if (node.name === 'VectorSelector') {
        const name = node.node.getChild('Identifier');
        query.selectors.push({ name: name ? shown(name) : '', equals: [], labels: [] });
      }
      if (node.name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', value = ''] =
          /^(\w+)\s*(=~|!=|!~|=)\s*"(.*)"$/.exec(shown(node)) ?? [];
        const selector = query.selectors.at(-1);
        selector?.labels.push(label);
        if (operator === '=') selector?.equals.push({ label, value });
      }
      if (node.name === 'GroupingLabels') {
        const inner = shown(node).replace(/[()]/g, '');
        query.groupedBy.push(...inner.split(',').map((label) => label.trim()));
      }
    },
  });
  return query;
}
