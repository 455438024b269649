// The bit rate of the last minutes, as the page saw it.

import uPlot from "./vendor/uPlot.js";
import { html, useEffect, useRef } from "./vendor/htm-preact.js";

const POINTS = 150;

export function BitrateChart({ value }) {
  const element = useRef();
  const chart = useRef();
  const points = useRef([[], []]);
  useEffect(() => {
    const width = () => element.current.clientWidth;
    const muted = getComputedStyle(element.current).getPropertyValue("--muted");
    const axis = { stroke: muted, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
    chart.current = new uPlot(
      {
        width: width(),
        height: 140,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_u, _min, max) => [0, Math.max(100, max * 1.1)] } },
        axes: [axis, { ...axis, size: 60, values: (_u, ticks) => ticks.map((tick) => `${tick / 1000}M`) }],
        series: [{}, { stroke: "#2b8ae2", fill: "#2b8ae233", width: 2 }],
      },
      points.current,
      element.current,
    );
    const observer = new ResizeObserver(() => chart.current.setSize({ width: width(), height: 140 }));
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      chart.current.destroy();
    };
  }, []);
  useEffect(() => {
    const [times, values] = points.current;
    times.push(Date.now() / 1000);
    values.push(value ?? null);
    if (times.length > POINTS) {
      times.shift();
      values.shift();
    }
    chart.current?.setData(points.current);
  });
  return html`<div class="chart" ref=${element} role="img" aria-label="Bit rate of the last minutes"></div>`;
}
