// Draws the outline of the world for the public page: `node world.mjs > ../../balancer/src/pages/web/world.svg`.
//
// Natural Earth's land at 1:110 million (public domain), as the npm package world-atlas carries
// it. A plain grid of fifths of a degree, so that a place needs no projection: x is the longitude,
// y the latitude.

import { readFileSync } from "node:fs";

/** Without Antarctica, where no relay stands. */
const [NORTH, SOUTH] = [84, -58];
/** Islands smaller than this many square degrees are left out. */
const AREA_MIN = 0.5;

const atlas = new URL("./node_modules/world-atlas/land-110m.json", import.meta.url);
const { arcs, transform, objects } = JSON.parse(readFileSync(atlas, "utf8"));

const lines = arcs.map((arc) => {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => {
    [x, y] = [x + dx, y + dy];
    return [
      x * transform.scale[0] + transform.translate[0],
      y * transform.scale[1] + transform.translate[1],
    ];
  });
});

/** An arc that is counted from the end is walked backwards; one point of two that meet is enough. */
function ring(numbers) {
  return numbers.flatMap((n) => (n < 0 ? [...lines[~n]].reverse() : lines[n]).slice(1));
}

/** Across the date line it goes on beyond 180 degrees, and is drawn at the other edge as well. */
function unrolled(points) {
  let turn = 0;
  const whole = points.map(([x, y], n) => {
    const step = n === 0 ? 0 : x - points[n - 1][0];
    if (Math.abs(step) > 180) turn -= Math.sign(step) * 360;
    return [x + turn, y];
  });
  const shifted = (by) => whole.map(([x, y]) => [x + by, y]);
  const isBeyond = (edge) => whole.some(([x]) => Math.sign(edge) * x > Math.abs(edge) + 1);
  return [whole, ...(isBeyond(180) ? [shifted(-360)] : []), ...(isBeyond(-180) ? [shifted(360)] : [])];
}

function area(points) {
  return Math.abs(points.reduce((sum, [x, y], n) => {
    const [nextX, nextY] = points[(n + 1) % points.length];
    return sum + x * nextY - nextX * y;
  }, 0) / 2);
}

function path(points) {
  const fifths = points.map(([x, y]) => [Math.round(x * 5), Math.round(-Math.max(y, SOUTH - 2) * 5)]);
  const [start, ...steps] = fifths.map(([x, y], n) => {
    const [beforeX, beforeY] = n === 0 ? [0, 0] : fifths[n - 1];
    return [x - beforeX, y - beforeY];
  });
  const moves = steps.filter(([x, y]) => x !== 0 || y !== 0);
  return `M${start.join(" ")}l${moves.join(" ").replaceAll(",", " ").replaceAll(" -", "-")}z`;
}

const polygons = objects.land.geometries.flatMap(({ arcs: parts }) => parts);
const paths = polygons.flat()
  .map(ring)
  .flatMap(unrolled)
  .filter((points) => area(points) > AREA_MIN && points.some(([, y]) => y > SOUTH))
  .map(path);
console.log(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-900 ${-NORTH * 5} 1800 ${(NORTH - SOUTH) * 5}">`
    + `<path fill="#8795a5" d="${paths.join("")}"/></svg>`,
);
