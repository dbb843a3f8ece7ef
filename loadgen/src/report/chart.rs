use portcullis_admin::{EditKind, LoadPhase, LoadSpan};

use super::scale::Scale;

/// A chart over the time of the run, as inline SVG.
#[derive(Debug)]
pub(crate) struct Chart {
    /// The duration of the run in seconds.
    pub(crate) duration: f64,
    pub(crate) scale: Scale,
    /// What stands behind a number of the axis, e.g. ` ms`.
    pub(crate) unit: &'static str,
    svg: String,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// A value at a time in seconds, with what to say about it.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) value: f64,
    pub(crate) title: String,
}

impl Chart {
    pub(crate) const fn new(duration: f64, scale: Scale, unit: &'static str) -> Self {
        Self {
            duration,
            scale,
            unit,
            svg: String::new(),
        }
    }

    /// Bands behind everything else: each stretch in which the key store was not connected.
    pub(crate) fn bands(mut self, phases: &[LoadSpan]) -> Self {
        for span in phases
            .iter()
            .filter(|span| span.phase != LoadPhase::Connected)
        {
            let (start, end) = (seconds(span.start_us), seconds(span.end_us));
            let (left, right) = (self.x(start), self.x(end));
            let edit = span.edit.map_or("", EditKind::name);
            self.push(format_args!(
                "<rect class=\"band {name}\" x=\"{left:.2}\" y=\"{TOP}\" width=\"{width:.2}\" \
                 height=\"{height}\"><title>{name} (cycle {cycle}, {edit}): {start:.3} s to \
                 {end:.3} s</title></rect>",
                name = span.phase.name(),
                width = (right - left).max(0.6),
                height = HEIGHT - TOP - BOTTOM,
                cycle = span.cycle,
            ));
        }
        self
    }

    /// Lines and labels of both axes.
    pub(crate) fn axes(mut self) -> Self {
        for tick in self.scale.ticks() {
            let (y, unit) = (self.y(tick), self.unit);
            self.push(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.2}\" y2=\"{y:.2}\"/>\
                 <text class=\"label\" x=\"{label}\" y=\"{base:.2}\" text-anchor=\"end\">{tick}\
                 {unit}</text>",
                end = WIDTH - RIGHT,
                label = LEFT - 6.0,
                base = y + 4.0,
                tick = number(tick),
            ));
        }
        for tick in Scale::linear(self.duration).ticks() {
            if tick <= self.duration {
                self.push(format_args!(
                    "<text class=\"label\" x=\"{x:.2}\" y=\"{y}\" text-anchor=\"middle\">{tick} \
                     s</text>",
                    x = self.x(tick),
                    y = HEIGHT - 8.0,
                    tick = number(tick),
                ));
            }
        }
        self
    }

    /// A level, e.g. the intended rate.
    pub(crate) fn level(mut self, class: &str, value: f64) -> Self {
        let y = self.y(value);
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.2}\" y2=\"{y:.2}\"/>",
            end = WIDTH - RIGHT,
        ));
        self
    }

    /// A line through the points, with a gap where there is none.
    pub(crate) fn line(mut self, class: &str, points: &[Option<Point>]) -> Self {
        for stretch in points.split(Option::is_none) {
            let stretch: Vec<&Point> = stretch.iter().flatten().collect();
            let places: Vec<String> = stretch
                .iter()
                .map(|point| format!("{:.2},{:.2}", self.x(point.at), self.y(point.value)))
                .collect();
            self.push(format_args!(
                "<polyline class=\"{class}\" points=\"{}\"/>",
                places.join(" ")
            ));
            for point in stretch {
                self.push(format_args!(
                    "<circle class=\"{class}\" cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"2.5\"><title>{title}\
                     </title></circle>",
                    x = self.x(point.at),
                    y = self.y(point.value),
                    title = escape(&point.title),
                ));
            }
        }
        self
    }

    /// A part of a stacked bar over a second, from `below` to `below` + the point's value.
    pub(crate) fn bar(mut self, class: &str, point: &Point, below: f64) -> Self {
        let (left, right) = (self.x(point.at - 0.45), self.x(point.at + 0.45));
        let (top, bottom) = (self.y(below + point.value), self.y(below));
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" \
             height=\"{height:.2}\"><title>{title}</title></rect>",
            width = right - left,
            height = bottom - top,
            title = escape(&point.title),
        ));
        self
    }

    /// The chart, to be read aloud as `label`.
    pub(crate) fn svg(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            escape(label),
            self.svg
        )
    }

    fn x(&self, second: f64) -> f64 {
        let place = (second / self.duration.max(1e-3)).clamp(0.0, 1.0);
        LEFT + place * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.scale.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        self.svg.push_str(&element.to_string());
    }
}

/// Text within an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// A round number without trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let point = |at: f64| {
            Some(Point {
                at,
                value: 1.0,
                title: "1 < 2".to_owned(),
            })
        };
        let chart = Chart::new(4.0, Scale::linear(2.0), "");
        let svg = chart
            .line("p50", &[point(0.5), None, point(2.5), point(3.5)])
            .svg("latency");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("1 &lt; 2"), "{svg}");
    }
}
