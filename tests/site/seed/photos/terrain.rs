//! A landscape in true perspective: heights on a grid that is as fine near
//! the eye as a pixel needs, walked front to back column by column.
//!
//! The grid's rows are distances, its columns directions, so the sun, which
//! always stands straight to the left, casts its shadows along one row.

use super::film::Frame;
use super::noise::mix;

/// Where the eye stands and how far it sees.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Height of the eye.
    pub eye: f32,
    /// Where the horizon lies, in picture heights from the top.
    pub horizon: f32,
    /// Focal length in picture heights: larger is a longer lens.
    pub focal: f32,
    /// Nearest and farthest distance.
    pub reach: (f32, f32),
    /// How far a shadow falls in height for a step to the right.
    pub sun_slope: f32,
}

/// What is seen at a pixel.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// Across, in world units.
    pub x: f32,
    /// Away, in world units.
    pub z: f32,
    /// Height, in world units.
    pub y: f32,
    /// Slope to the right.
    pub east: f32,
    /// Slope away from the eye.
    pub north: f32,
    /// Sunlight that arrives: 0 in shadow, 1 in the sun.
    pub sun: f32,
}

/// A landscape, ready to be looked at.
pub struct Terrain {
    frame: Frame,
    view: View,
    columns: usize,
    margin: usize,
    cells: Vec<[f32; 4]>,
    depth: Vec<f32>,
}

const STEPS: usize = 1100;
const SKY: f32 = -1.0;

impl Terrain {
    /// Lays out `height(x, z)` and looks at it.
    pub fn new(frame: Frame, view: View, height: impl Fn(f32, f32) -> f32) -> Self {
        let seen = frame.width / 3;
        let margin = seen / 4;
        let columns = seen + 2 * margin + 1;
        let mut land = Self { frame, view, columns, margin, cells: Vec::new(), depth: Vec::new() };
        let heights = land.heights(height);
        land.cells = land.relief(&heights);
        land.depth = land.walk(&heights);
        land
    }

    /// What a pixel shows, or nothing where it shows the sky.
    pub fn at(&self, x: usize, y: usize) -> Option<Spot> {
        let step = self.depth[y * self.frame.width + x];
        if step == SKY {
            return None;
        }
        let column = self.column(x);
        let [h, east, north, sun] = self.sample(column, step);
        let z = self.distance(step);
        let across = (x as f32 / self.frame.height as f32 - self.aspect() / 2.0) / self.view.focal;
        Some(Spot { x: across * z, z, y: h, east, north, sun })
    }

    fn aspect(&self) -> f32 {
        self.frame.width as f32 / self.frame.height as f32
    }

    fn column(&self, x: usize) -> f32 {
        self.margin as f32 + x as f32 / 3.0
    }

    fn distance(&self, step: f32) -> f32 {
        let (near, far) = self.view.reach;
        near * (far / near).powf(step / (STEPS - 1) as f32)
    }

    fn direction(&self, column: f32) -> f32 {
        let across = (column - self.margin as f32) * 3.0 / self.frame.height as f32;
        (across - self.aspect() / 2.0) / self.view.focal
    }

    fn heights(&self, height: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let mut out = Vec::with_capacity(STEPS * self.columns);
        for step in 0..STEPS {
            let z = self.distance(step as f32);
            out.extend((0..self.columns).map(|c| height(self.direction(c as f32) * z, z)));
        }
        out
    }

    /// Height, slopes and sunlight of each cell of the grid.
    fn relief(&self, heights: &[f32]) -> Vec<[f32; 4]> {
        let n = self.columns;
        let mut out = Vec::with_capacity(heights.len());
        for step in 0..STEPS {
            let z = self.distance(step as f32);
            let dx = z * (self.direction(1.0) - self.direction(0.0));
            let (back, on) = (step.saturating_sub(1), (step + 1).min(STEPS - 1));
            let dz = self.distance(on as f32) - self.distance(back as f32);
            let row = &heights[step * n..(step + 1) * n];
            let mut shadow = f32::MIN;
            for c in 0..n {
                let east = (row[(c + 1).min(n - 1)] - row[c.saturating_sub(1)]) / (2.0 * dx);
                let along = (heights[on * n + c] - heights[back * n + c]) / dz;
                let north = along - east * self.direction(c as f32);
                shadow = (shadow - self.view.sun_slope * dx).max(row[c]);
                let under = (shadow - row[c]) / (self.view.sun_slope * dx * 6.0);
                out.push([row[c], east, north, (1.0 - under).clamp(0.0, 1.0)]);
            }
        }
        out
    }

    /// For each pixel the step at which a look meets the ground.
    fn walk(&self, heights: &[f32]) -> Vec<f32> {
        let (w, h) = (self.frame.width, self.frame.height);
        let mut depth = vec![SKY; w * h];
        let mut low = vec![h; w];
        let mut last = vec![h as f32; w];
        for step in 0..STEPS {
            let z = self.distance(step as f32);
            let row = &heights[step * self.columns..(step + 1) * self.columns];
            for x in 0..w {
                let at = self.column(x);
                let (c, t) = (at as usize, at.fract());
                let ground = mix(row[c], row[c + 1], t);
                let drop = (self.view.eye - ground) / z * self.view.focal;
                let y = (self.view.horizon + drop) * h as f32;
                let top = y.ceil().clamp(0.0, h as f32) as usize;
                for fill in top..low[x] {
                    let part = ((last[x] - fill as f32) / (last[x] - y).max(1e-3)).clamp(0.0, 1.0);
                    depth[fill * w + x] = (step as f32 - 1.0 + part).max(0.0);
                }
                low[x] = low[x].min(top);
                last[x] = y;
            }
        }
        depth
    }

    fn sample(&self, column: f32, step: f32) -> [f32; 4] {
        let (c, s) = (column as usize, (step as usize).min(STEPS - 2));
        let (tc, ts) = (column - c as f32, (step - s as f32).clamp(0.0, 1.0));
        let at = |s: usize, c: usize| &self.cells[s * self.columns + c];
        let (a, b, d, e) = (at(s, c), at(s, c + 1), at(s + 1, c), at(s + 1, c + 1));
        std::array::from_fn(|i| mix(mix(a[i], b[i], tc), mix(d[i], e[i], tc), ts))
    }
}
