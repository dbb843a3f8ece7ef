use std::collections::BTreeMap;

use portcullis_admin::{LoadPhase, LoadScenario, LoadSecond, RunSummary};

use super::chart::{Chart, Point, escape};
use super::scale::Scale;
use crate::output::{measured, millis, result_table};
use crate::summary::largest_first;

const STYLE: &str = include_str!("style.css");

/// The whole page. It loads nothing: style and charts stand in it, and there is no script.
// Rule LG-14: the report can be read from one file, without a network.
pub(crate) fn page(summary: &RunSummary, seconds: &[LoadSecond]) -> String {
    let parts = [
        heading(summary),
        cards(summary),
        throughput(summary, seconds),
        latency(summary, seconds),
        errors(summary, seconds),
        tables(summary),
        thresholds(summary),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Load: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n\
         </html>\n",
        title = scenario(summary),
        body = parts.join("\n"),
    )
}

const fn scenario(summary: &RunSummary) -> &'static str {
    match summary.scenario {
        LoadScenario::Steady => "steady load",
        LoadScenario::EditCycle => "load through edit cycles",
        LoadScenario::Substitution => "rehearsal of a repair",
    }
}

fn heading(summary: &RunSummary) -> String {
    let stopped = summary.stopped.as_ref().map_or_else(String::new, |reason| {
        format!(
            "<p class=\"card bad\"><b>Stopped early</b>{}</p>",
            escape(reason)
        )
    });
    format!(
        "<h1>{title}</h1>\n<p class=\"sub\">{endpoint} · {key} · {connections} connections · {for_} \
         s · {measure} · seed {seed} · load generator {version}</p>{stopped}",
        title = capital(scenario(summary)),
        endpoint = escape(&summary.endpoint),
        key = escape(&summary.key_id),
        connections = summary.connections,
        for_ = summary.duration_seconds,
        measure = if summary.closed_loop {
            "closed loop: latency from the real send"
        } else {
            "open loop: latency from the intended send time"
        },
        seed = summary.seed,
        version = escape(&summary.version),
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn cards(summary: &RunSummary) -> String {
    let intended = summary.intended_rate.map_or_else(
        || "achieved, no limit set".to_owned(),
        |rate| format!("achieved of {rate:.0}/s intended"),
    );
    let p99 = summary
        .latency
        .map_or_else(|| "-".to_owned(), |it| millis(it.latency_us_p99));
    let zero = |number: u64| if number == 0 { "good" } else { "bad" };
    let cards = [
        ("", format!("{:.0}/s", summary.achieved_rate), intended),
        ("", p99, "p99 of the successes".to_owned()),
        (
            "",
            summary.failed.to_string(),
            format!("failed of {}", summary.arrived),
        ),
        (
            zero(summary.gate_leaks),
            summary.gate_leaks.to_string(),
            "gate leaks".to_owned(),
        ),
        (
            zero(summary.wrong_plaintexts),
            summary.wrong_plaintexts.to_string(),
            format!("wrong of {} plaintexts", summary.plaintexts_compared),
        ),
        (
            zero(summary.unexpected_errors),
            summary.unexpected_errors.to_string(),
            "unexpected errors".to_owned(),
        ),
        (
            zero(summary.shed + summary.abandoned),
            (summary.shed + summary.abandoned).to_string(),
            "shed or abandoned".to_owned(),
        ),
    ];
    let cards = cards.map(|(class, number, text)| {
        format!(
            "<div class=\"card {class}\"><b>{number}</b><span>{}</span></div>",
            escape(&text)
        )
    });
    format!("<div class=\"cards\">{}</div>", cards.concat())
}

/// The time axis of every chart: until the last second or phase ends.
fn duration(summary: &RunSummary, seconds: &[LoadSecond]) -> f64 {
    let last = seconds
        .last()
        .map_or(0.0, |last| middle(last) + length(last) / 2.0);
    let phases = summary
        .phases
        .last()
        .map_or(0.0, |span| number(span.end_us) / 1e6);
    last.max(phases).max(0.001)
}

fn chart(summary: &RunSummary, seconds: &[LoadSecond], scale: Scale, unit: &'static str) -> Chart {
    Chart::new(duration(summary, seconds), scale, unit)
        .bands(&summary.phases)
        .axes()
}

fn throughput(summary: &RunSummary, seconds: &[LoadSecond]) -> String {
    let per_second = |calls: u64, second: &LoadSecond| number(calls) / length(second);
    let points = |what: &str, calls: fn(&LoadSecond) -> u64| -> Vec<Option<Point>> {
        let point = |second: &LoadSecond| Point {
            at: middle(second),
            value: per_second(calls(second), second),
            title: format!(
                "second {}: {:.0}/s {what}",
                second.second,
                per_second(calls(second), second)
            ),
        };
        seconds.iter().map(|second| Some(point(second))).collect()
    };
    let (succeeded, failed) = (
        points("succeeded", |it| it.succeeded),
        points("failed", |it| it.failed),
    );
    let highest = |points: &[Option<Point>]| {
        points
            .iter()
            .flatten()
            .map(|point| point.value)
            .fold(0.0, f64::max)
    };
    let intended = summary.intended_rate.unwrap_or_default();
    let max = highest(&succeeded).max(highest(&failed)).max(intended);
    let mut chart = chart(summary, seconds, Scale::linear(max), "");
    let mut keys = vec![("succeeded", "succeeded"), ("failed", "failed")];
    if summary.intended_rate.is_some() {
        chart = chart.level("intended", intended);
        keys.push(("intended", "intended rate"));
    }
    let svg = chart
        .line("failed", &failed)
        .line("succeeded", &succeeded)
        .svg("Calls per second");
    section("Calls per second", &svg, &legend(&keys, summary))
}

fn latency(summary: &RunSummary, seconds: &[LoadSecond]) -> String {
    let points = |what: &str, micros: fn(&LoadSecond) -> Option<u64>| -> Vec<Option<Point>> {
        let point = |second: &LoadSecond| {
            let value = number(micros(second)?) / 1000.0;
            let title = format!("second {}: {what} {value:.3} ms", second.second);
            Some(Point {
                at: middle(second),
                value,
                title,
            })
        };
        seconds.iter().map(point).collect()
    };
    let lines = [
        ("p50", points("p50", |it| it.latency_us_p50)),
        ("p99", points("p99", |it| it.latency_us_p99)),
        ("max", points("max", |it| it.latency_us_max)),
    ];
    let values = || {
        lines
            .iter()
            .flat_map(|(_, points)| points)
            .flatten()
            .map(|point| point.value)
    };
    if values().next().is_none() {
        return String::new();
    }
    let scale = Scale::decades(
        values().fold(f64::MAX, f64::min),
        values().fold(0.0, f64::max),
    );
    let mut chart = chart(summary, seconds, scale, " ms");
    for (class, points) in lines.iter().rev() {
        chart = chart.line(class, points);
    }
    let keys = [("p50", "p50"), ("p99", "p99"), ("max", "max")];
    let svg = chart.svg("Latency of successes");
    section(
        "Latency of successes, logarithmic",
        &svg,
        &legend(&keys, summary),
    )
}

/// Names that have a colour of their own; the rest shares the last one.
const ERROR_COLOURS: usize = 5;

fn errors(summary: &RunSummary, seconds: &[LoadSecond]) -> String {
    if summary.errors.is_empty() {
        return String::new();
    }
    let classes: BTreeMap<&str, String> = largest_first(&summary.errors)
        .into_iter()
        .enumerate()
        .map(|(place, (name, _))| (name, format!("e{}", place.min(ERROR_COLOURS - 1))))
        .collect();
    let class = |name: &str| classes.get(name).map_or("e4", String::as_str);
    let max = seconds
        .iter()
        .map(|second| number(second.failed))
        .fold(1.0, f64::max);
    let mut chart = chart(summary, seconds, Scale::linear(max), "");
    for second in seconds {
        let mut below = 0.0;
        for (name, times) in largest_first(&second.errors) {
            let title = format!("second {}: {times} {name}", second.second);
            let point = Point {
                at: middle(second),
                value: number(times),
                title,
            };
            chart = chart.bar(class(name), &point, below);
            below += point.value;
        }
    }
    let names: Vec<String> = largest_first(&summary.errors)
        .into_iter()
        .map(|(name, times)| format!("{name} ({times})"))
        .collect();
    let keys: Vec<(&str, &str)> = largest_first(&summary.errors)
        .iter()
        .zip(&names)
        .map(|((name, _), text)| (class(name), text.as_str()))
        .collect();
    let svg = chart.svg("Errors in each second by exception");
    section("Errors in each second", &svg, &legend(&keys, summary))
}

fn section(title: &str, svg: &str, legend: &str) -> String {
    format!("<h2>{title}</h2>\n{svg}\n{legend}")
}

/// What the colours mean, the phases of this run included.
fn legend(keys: &[(&str, &str)], summary: &RunSummary) -> String {
    let key = |class: &str, text: &str| {
        format!("<span><i class=\"key {class}\"></i>{}</span>", escape(text))
    };
    let mut spans: Vec<String> = keys.iter().map(|(class, text)| key(class, text)).collect();
    let occurred = |phase: &LoadPhase| summary.by_phase.contains_key(phase);
    let phases = LoadPhase::ALL
        .into_iter()
        .filter(|phase| *phase != LoadPhase::Connected);
    spans.extend(
        phases
            .filter(occurred)
            .map(|phase| key(phase.name(), phase.name())),
    );
    format!("<p class=\"legend\">{}</p>", spans.concat())
}

/// The tables of the terminal, as HTML.
fn tables(summary: &RunSummary) -> String {
    let tables = result_table(summary);
    tables
        .iter()
        .filter(|table| !is_thresholds(table))
        .map(|table| html_table(table))
        .collect()
}

fn is_thresholds(table: &[Vec<String>]) -> bool {
    table
        .first()
        .and_then(|heading| heading.first())
        .is_some_and(|cell| cell == "threshold")
}

fn html_table(rows: &[Vec<String>]) -> String {
    let title = rows
        .first()
        .and_then(|row| row.first())
        .map(|cell| match cell.as_str() {
            "operation" => "By operation",
            "phase" => "By phase",
            "error" => "Errors",
            _result => "Result",
        });
    let row = |tag: &str, cells: &[String]| {
        let cells: String = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect();
        format!("<tr>{cells}</tr>")
    };
    let mut rows = rows.iter();
    let head = rows
        .next()
        .map(|cells| row("th", cells))
        .unwrap_or_default();
    let body: String = rows.map(|cells| row("td", cells)).collect();
    format!(
        "<h2>{}</h2>\n<div class=\"scroll\"><table><thead>{head}</thead><tbody>{body}</tbody>\
         </table></div>\n",
        title.unwrap_or_default()
    )
}

fn thresholds(summary: &RunSummary) -> String {
    if summary.thresholds.is_empty() {
        return String::new();
    }
    let rows: String = summary
        .thresholds
        .iter()
        .map(|one| {
            let (class, verdict) = if one.passed {
                ("good", "met")
            } else {
                ("bad", "missed")
            };
            format!(
                "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{verdict}</td></tr>",
                escape(&one.threshold),
                measured(one)
            )
        })
        .collect();
    format!(
        "<h2>Thresholds</h2>\n<div class=\"scroll\"><table><thead><tr><th>threshold</th>\
         <th>measured</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// The middle of a second, in seconds since the start.
fn middle(second: &LoadSecond) -> f64 {
    number(second.second) + length(second) / 2.0
}

fn length(second: &LoadSecond) -> f64 {
    number(second.duration_ms.max(1)) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn number(value: u64) -> f64 {
    value as f64
}
