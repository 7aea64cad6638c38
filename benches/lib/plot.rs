//! Line plots as SVG, readable on light and on dark pages.

use std::fmt::Write as _;

/// One line of a plot.
#[derive(Debug, Clone, Default)]
pub struct Line {
    name: String,
    /// Where, and low, middle, high.
    points: Vec<(f64, [f64; 3])>,
}

impl Line {
    /// One without points.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), points: Vec::new() }
    }

    /// Adds a point and how far it spreads.
    pub fn push(&mut self, x: f64, spread: crate::spread::Spread) {
        self.points.push((x, [spread.low, spread.median, spread.high]));
    }

    /// Whether it has points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// A plot whose axes are both logarithmic.
#[derive(Debug)]
pub struct Plot {
    title: String,
    x: String,
    y: fn(f64) -> String,
    lines: Vec<Line>,
}

const WIDTH: f64 = 744.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 50.0;

// Colours that can be told apart by those who see few, on white and on black. No variables: not every viewer knows them.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.dim{fill:#59636e;font-size:12px}.title{font-size:15px;font-weight:600}
.paper{fill:#ffffff}.grid{stroke:#d1d9e0}.line{fill:none;stroke-width:2}.band{stroke-width:1.2;opacity:.6}
.line,.band{stroke:currentColor}.dot{fill:currentColor}.s0{color:#0969da}.s1{color:#bc4c00}.s2{color:#1a7f37}.s3{color:#8250df}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.paper{fill:#0d1117}.grid{stroke:#3d444d}
.s0{color:#58a6ff}.s1{color:#ffa657}.s2{color:#56d364}.s3{color:#d2a8ff}}";

impl Plot {
    /// The values are nanoseconds, or whatever `y` writes.
    pub fn new(title: &str, x: &str, y: fn(f64) -> String, lines: Vec<Line>) -> Self {
        Self { title: title.into(), x: x.into(), y, lines }
    }

    /// The picture.
    pub fn to_svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::around(points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT, false);
        let up = Axis::around(points().flat_map(|(_, y)| *y), HEIGHT - BOTTOM, TOP, true);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"24\">{title}</text>\n",
            title = escape(&self.title)
        );
        self.axes(&mut svg, &across, &up);
        let mut at = LEFT;
        for (n, line) in self.lines.iter().enumerate() {
            let name = escape(&line.name);
            let _ = writeln!(
                svg,
                "<g class=\"s{n}\"><circle class=\"dot\" cx=\"{at:.1}\" cy=\"43\" r=\"4\"/><text x=\"{:.1}\" y=\"47\">{name}</text>",
                at + 10.0
            );
            at += 34.0 + 7.2 * line.name.chars().count() as f64;
            line.draw(&mut svg, &across, &up);
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String, across: &Axis, up: &Axis) {
        for tick in up.ticks() {
            let y = up.at(tick);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/><text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                escape(&(self.y)(tick).replace(".00 ", " ").replace(".0 ", " "))
            );
        }
        for tick in across.ticks() {
            let (x, bottom) = (across.at(tick), HEIGHT - BOTTOM);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {bottom}V{TOP}\"/><text class=\"dim\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                crate::unit::count(tick as u64)
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 10.0,
            escape(&self.x)
        );
    }
}

impl Line {
    fn draw(&self, svg: &mut String, across: &Axis, up: &Axis) {
        let mut path = String::new();
        for (n, (x, [low, middle, high])) in self.points.iter().enumerate() {
            let (x, y) = (across.at(*x), up.at(*middle));
            let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
            let _ = writeln!(
                svg,
                "<path class=\"band\" d=\"M{x:.1} {:.1}V{:.1}\"/><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
                up.at(*low),
                up.at(*high)
            );
        }
        let _ = writeln!(svg, "<path class=\"line\" d=\"{path}\"/>");
    }
}

/// A logarithmic axis, from one place in the picture to another.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64, room: bool) -> Self {
        let (low, high) =
            values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = (low.max(1e-3), high.max(1e-3));
        let (low, high) = if room { (low / 1.5, high * 1.5) } else { (low, high) };
        Self { low: low.ln(), high: high.ln().max(low.ln() + 1e-6), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value.max(1e-3).ln() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Powers of ten; where there are few of them, twos and fives as well.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.high - self.low) / std::f64::consts::LN_10;
        let steps: &[f64] = if decades < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers =
            (self.low / std::f64::consts::LN_10).floor() as i32..=(self.high / std::f64::consts::LN_10).ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        all.filter(|tick| (self.low - 1e-9..=self.high + 1e-9).contains(&tick.ln())).collect()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
