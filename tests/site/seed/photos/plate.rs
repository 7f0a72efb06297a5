//! Light gathered before the picture is developed: points at full size, and
//! soft light on a plate that is coarser than the picture.

use super::film::{Frame, Rgb};
use super::noise::Dice;

/// Small lights, stars or sparks, added up at full size.
pub struct Stars {
    frame: Frame,
    light: Vec<[u8; 3]>,
}

impl Stars {
    /// Nothing yet.
    pub fn none(frame: Frame) -> Self {
        Self { frame, light: vec![[0; 3]; frame.width * frame.height] }
    }

    /// Scatters `count` stars, of which few are bright, in the upper part
    /// `down_to` of the picture.
    pub fn scatter(frame: Frame, seed: u32, count: usize, down_to: f32) -> Self {
        let mut stars = Self::none(frame);
        let mut dice = Dice::new(seed);
        for _ in 0..count {
            let (x, y) =
                (dice.roll() * frame.width as f32, dice.roll() * frame.height as f32 * down_to);
            let bright = (0.010 / (dice.roll() + 0.0022)).powf(0.92) + 0.03;
            let warm = dice.roll();
            stars.put(x, y, bright, Rgb(0.75, 0.86, 1.0).mix(Rgb(1.0, 0.84, 0.66), warm * warm));
        }
        stars
    }

    /// The starlight at a pixel.
    pub fn at(&self, x: usize, y: usize) -> Rgb {
        let [r, g, b] = self.light[y * self.frame.width + x]
            .map(|part| (f32::from(part) / 255.0).powi(2) * 4.0);
        Rgb(r, g, b)
    }

    /// Adds one light; `bright` 1 is as bright as paper.
    pub fn put(&mut self, x: f32, y: f32, bright: f32, tint: Rgb) {
        let scale = self.frame.height as f32 / 3000.0;
        let size = scale * (1.1 + bright.min(2.0) * 0.9);
        let reach = (size * 5.0).ceil() as i32;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (px, py) = (x as i32 + dx, y as i32 + dy);
                if px < 0
                    || py < 0
                    || px >= self.frame.width as i32
                    || py >= self.frame.height as i32
                {
                    continue;
                }
                let (ox, oy) = (px as f32 + 0.5 - x, py as f32 + 0.5 - y);
                let far = (ox * ox + oy * oy) / (size * size);
                let glow = tint * (bright * ((-far).exp() + 0.03 * (-far * 0.15).exp()));
                let cell = &mut self.light[py as usize * self.frame.width + px as usize];
                for (part, add) in cell.iter_mut().zip([glow.0, glow.1, glow.2]) {
                    let sum = (f32::from(*part) / 255.0).powi(2) * 4.0 + add;
                    *part = ((sum / 4.0).sqrt().min(1.0) * 255.0) as u8;
                }
            }
        }
    }
}

/// Soft light on a coarse grid, read smoothly. Positions are in picture
/// heights.
pub struct Plate {
    width: usize,
    height: usize,
    light: Vec<Rgb>,
}

impl Plate {
    /// A dark plate of a frame's shape, `height` cells high.
    pub fn dark(frame: Frame, height: usize) -> Self {
        let width = frame.width * height / frame.height + 1;
        Self { width, height, light: vec![Rgb::default(); width * height] }
    }

    /// A plate of `height` cells lit by what `light` sees at each place.
    pub fn of(frame: Frame, height: usize, light: impl Fn(f32, f32) -> Rgb) -> Self {
        let mut plate = Self::dark(frame, height);
        let (width, scale) = (plate.width, plate.scale());
        for (i, cell) in plate.light.iter_mut().enumerate() {
            *cell = light((i % width) as f32 / scale, (i / width) as f32 / scale);
        }
        plate
    }

    /// Cells in a picture height.
    pub fn scale(&self) -> f32 {
        self.height as f32
    }

    /// Adds light to the cells within `reach` of a place; `shape` gives its
    /// strength by the offset from there.
    pub fn add(
        &mut self,
        (u, v): (f32, f32),
        reach: (f32, f32),
        tint: Rgb,
        shape: impl Fn(f32, f32) -> f32,
    ) {
        let scale = self.scale();
        let span = |at: f32, reach: f32, end: usize| {
            let from = ((at - reach) * scale).max(0.0) as usize;
            from..(((at + reach) * scale + 1.0).max(0.0) as usize).min(end)
        };
        for y in span(v, reach.1, self.height) {
            for x in span(u, reach.0, self.width) {
                let (dx, dy) = (x as f32 / scale - u, y as f32 / scale - v);
                self.light[y * self.width + x] += tint * shape(dx, dy);
            }
        }
    }

    /// The light at a place; beyond the edges it is that of the edge.
    pub fn at(&self, u: f32, v: f32) -> Rgb {
        let clamp = |at: f32, end: usize| (at * self.scale()).clamp(0.0, end as f32 - 1.001);
        let (x, y) = (clamp(u, self.width), clamp(v, self.height));
        let (ix, iy) = (x as usize, y as usize);
        let (tx, ty) = (x - ix as f32, y - iy as f32);
        let cell = |x: usize, y: usize| self.light[y * self.width + x];
        let upper = cell(ix, iy).mix(cell(ix + 1, iy), tx);
        upper.mix(cell(ix, iy + 1).mix(cell(ix + 1, iy + 1), tx), ty)
    }
}
