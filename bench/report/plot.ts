/** SVG plots from rows of data, by Vega-Lite. */
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Axis {
  field: string;
  title: string;
  log?: boolean;
}

export interface LinePlot {
  title: string;
  rows: Record<string, string | number>[];
  x: Axis;
  y: Axis;
  /** Draws x as a percentile: 1/(1-p) on a log axis, labelled as p. */
  percentiles?: boolean;
}

const SIZE = { width: 560, height: 300 };

/** A line for each `series` of the rows. */
export function linePlot(plot: LinePlot): Promise<string> {
  const scale = (axis: Axis) => (axis.log === true ? { type: 'log' as const } : { zero: true });
  const spec: TopLevelSpec = {
    ...SIZE,
    background: 'white',
    title: plot.title,
    data: { values: plot.rows },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: plot.x.field,
        type: 'quantitative',
        scale: scale(plot.x),
        axis: {
          title: plot.x.title,
          ...(plot.percentiles === true
            ? {
                values: [1, 2, 10, 100, 1_000, 10_000],
                labelExpr: "format(100 - 100 / datum.value, '.4') + ' %'",
              }
            : {}),
        },
      },
      y: {
        field: plot.y.field,
        type: 'quantitative',
        scale: scale(plot.y),
        axis: { title: plot.y.title },
      },
      color: { field: 'series', type: 'nominal', legend: { title: null, labelLimit: 300 } },
    },
  };
  return draw(spec);
}

/** Groups of bars: a group for each `group`, a bar for each `series`. */
export function barPlot(plot: {
  title: string;
  rows: { group: string; series: string; value: number }[];
  valueTitle: string;
}): Promise<string> {
  return draw({
    width: SIZE.width,
    height: { step: 14 },
    background: 'white',
    title: plot.title,
    data: { values: plot.rows },
    mark: 'bar',
    encoding: {
      y: { field: 'group', type: 'nominal', sort: null, axis: { title: null } },
      yOffset: { field: 'series', type: 'nominal', sort: null },
      x: {
        field: 'value',
        type: 'quantitative',
        scale: { type: 'log' },
        axis: { title: plot.valueTitle },
      },
      color: { field: 'series', type: 'nominal', sort: null, legend: { title: null } },
    },
  });
}

async function draw(spec: TopLevelSpec): Promise<string> {
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}
