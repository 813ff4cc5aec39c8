//! A picture as a list of shapes, and its drawing as SVG and PNG.
//!
//! Coordinates are pixels from the top left. The PNG has twice the pixels, since lines are not smoothed in it. Text is set
//! in a subset of `DejaVu Sans` that is compiled in, so that a picture does not depend on the fonts of a machine.

use super::png;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE, register_font,
};

/// A subset of `DejaVu Sans` 2.37; its licence is beside it.
static FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");
const FONT_NAME: &str = "sans-serif";
const PNG_SCALE: u32 = 2;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x27, 0x30);
/// Secondary text.
pub(super) const MUTED: RGBColor = RGBColor(0x5d, 0x68, 0x75);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
/// Colours that tell variants and revisions apart, readable for people who see few colours, in the page's order.
pub(super) const HUES: [RGBColor; 6] = [
    RGBColor(0x2f, 0x6f, 0xb7),
    RGBColor(0xb8, 0x6a, 0x12),
    RGBColor(0x0f, 0x82, 0x76),
    RGBColor(0x8a, 0x4f, 0xb0),
    RGBColor(0x6b, 0x72, 0x1d),
    RGBColor(0xb0, 0x4a, 0x78),
];

/// Where text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// It ends there.
    End,
    /// It is centred there.
    Middle,
}

/// A shape.
enum Shape {
    Rect { from: (i32, i32), to: (i32, i32), color: RGBColor, alpha: f64, filled: bool },
    Line { points: Vec<(i32, i32)>, color: RGBColor, width: u32, dash: Option<(i32, i32)> },
    Polygon { points: Vec<(i32, i32)>, color: RGBColor, alpha: f64 },
    Text { at: (i32, i32), text: String, size: u32, color: RGBColor, anchor: Anchor },
}

/// A picture.
pub(super) struct Sheet {
    size: (u32, u32),
    shapes: Vec<Shape>,
}

impl Sheet {
    /// Returns an empty white picture.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { size: (width, height), shapes: Vec::new() }
    }

    /// Adds a filled rectangle.
    pub(super) fn fill(&mut self, from: (i32, i32), to: (i32, i32), color: RGBColor, alpha: f64) {
        self.shapes.push(Shape::Rect { from, to, color, alpha, filled: true });
    }

    /// Adds the outline of a rectangle.
    pub(super) fn outline(&mut self, from: (i32, i32), to: (i32, i32), color: RGBColor) {
        self.shapes.push(Shape::Rect { from, to, color, alpha: 1.0, filled: false });
    }

    /// Adds a line through points, dashed if `dash` gives lengths of dash and gap.
    pub(super) fn line(
        &mut self,
        points: Vec<(i32, i32)>,
        color: RGBColor,
        width: u32,
        dash: Option<(i32, i32)>,
    ) {
        self.shapes.push(Shape::Line { points, color, width, dash });
    }

    /// Adds a filled polygon.
    pub(super) fn polygon(&mut self, points: Vec<(i32, i32)>, color: RGBColor, alpha: f64) {
        self.shapes.push(Shape::Polygon { points, color, alpha });
    }

    /// Adds text whose middle line is at the height of `at`.
    pub(super) fn text(
        &mut self,
        at: (i32, i32),
        text: impl Into<String>,
        size: u32,
        color: RGBColor,
        anchor: Anchor,
    ) {
        self.shapes.push(Shape::Text { at, text: text.into(), size, color, anchor });
    }

    /// Returns the picture as SVG.
    pub(super) fn svg(&self) -> Result<String, String> {
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, self.size).into_drawing_area(), 1)?;
        Ok(text)
    }

    /// Returns the picture as PNG.
    pub(super) fn png(&self) -> Result<Vec<u8>, String> {
        let (width, height) = (self.size.0 * PNG_SCALE, self.size.1 * PNG_SCALE);
        let mut pixels = vec![0u8; width as usize * height as usize * 3];
        let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        self.draw(&backend.into_drawing_area(), PNG_SCALE)?;
        Ok(png::encode(&pixels, width, height))
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), String> {
        register_font(FONT_NAME, FontStyle::Normal, FONT)
            .map_err(|_| "the built-in font is broken".to_owned())?;
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        for shape in &self.shapes {
            draw_shape(area, shape, scale)?;
        }
        area.present().map_err(|error| error.to_string())
    }
}

fn draw_shape<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    shape: &Shape,
    scale: u32,
) -> Result<(), String> {
    let factor = i32::try_from(scale).expect("a scale is small");
    let scaled = |(x, y): (i32, i32)| (x * factor, y * factor);
    let drawn = match shape {
        Shape::Rect { from, to, color, alpha, filled } => {
            let style =
                ShapeStyle { color: color.mix(*alpha), filled: *filled, stroke_width: scale };
            area.draw(&Rectangle::new([scaled(*from), scaled(*to)], style))
        }
        Shape::Line { points, color, width, dash } => {
            let style = color.stroke_width(width * scale);
            let points: Vec<_> = points.iter().copied().map(scaled).collect();
            let parts = match dash {
                Some((on, off)) => dashes(&points, on * factor, off * factor),
                None => vec![points],
            };
            return parts.into_iter().try_for_each(|points| {
                area.draw(&PathElement::new(points, style)).map_err(|error| error.to_string())
            });
        }
        Shape::Polygon { points, color, alpha } => {
            let points: Vec<_> = points.iter().copied().map(scaled).collect();
            area.draw(&Polygon::new(points, color.mix(*alpha).filled()))
        }
        Shape::Text { at, text, size, color, anchor } => {
            let across = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::End => HPos::Right,
                Anchor::Middle => HPos::Center,
            };
            let font = (FONT_NAME, f64::from(size * scale)).into_font();
            let style = TextStyle::from(font).color(color).pos(Pos::new(across, VPos::Center));
            area.draw(&Text::new(text.as_str(), scaled(*at), style))
        }
    };
    drawn.map_err(|error| error.to_string())
}

/// Cuts a line of level and upright pieces into dashes.
fn dashes(points: &[(i32, i32)], on: i32, off: i32) -> Vec<Vec<(i32, i32)>> {
    let mut parts: Vec<Vec<(i32, i32)>> = Vec::new();
    let mut done = 0;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).abs() + (y1 - y0).abs();
        let (right, down) = ((x1 - x0).signum(), (y1 - y0).signum());
        let mut at = 0;
        while at < length {
            let phase = (done + at) % (on + off);
            let (until, inked) =
                if phase < on { (on - phase, true) } else { (on + off - phase, false) };
            let next = (at + until).min(length);
            if inked {
                let point = |d: i32| (x0 + right * d, y0 + down * d);
                parts.push(vec![point(at), point(next)]);
            }
            at = next;
        }
        done += length;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_around_corners() {
        let parts = dashes(&[(0, 0), (5, 0), (5, 5)], 4, 2);
        assert_eq!(parts, [vec![(0, 0), (4, 0)], vec![(5, 1), (5, 5)]]);
    }

    #[test]
    fn a_sheet_draws_the_same_bytes_twice() {
        let mut sheet = Sheet::new(120, 40);
        sheet.text((60, 20), "Groups ≥ 2 → 3 × µs", 12, INK, Anchor::Middle);
        sheet.line(vec![(0, 0), (100, 0)], HUES[0], 2, Some((6, 3)));
        assert_eq!(sheet.svg().unwrap(), sheet.svg().unwrap());
        assert_eq!(sheet.png().unwrap(), sheet.png().unwrap());
        assert!(sheet.svg().unwrap().contains("Groups ≥ 2 → 3 × µs"));
    }
}
