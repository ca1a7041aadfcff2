//! `demo.svg`: the charts as one picture that stands for itself, for a README. It brings its own
//! paper, so that it can be read on any background.

use super::{
    markup::Element,
    panel::{Pointer, WIDTH, panels},
    summary::Summary,
    table,
};

/// Room for the headline.
const HEAD: f64 = 62.0;
/// Around everything.
const MARGIN: f64 = 16.0;

/// The picture.
pub fn picture(summary: &Summary) -> String {
    let (charts, height) = panels(summary, Pointer::Ignored);
    let (width, height) = (WIDTH + 2.0 * MARGIN, height + HEAD + MARGIN);
    let held = summary.verdict.as_ref().is_some_and(|it| it.held);
    let headline =
        "A stock HorizontalPodAutoscaler scales a gRPC server by what Prometheus measured";
    let svg = Element::new("svg")
        .with("xmlns", "http://www.w3.org/2000/svg")
        .with("viewBox", format!("0 0 {width} {height}"))
        .place([("width", width), ("height", height)])
        .with("role", "img")
        .with("aria-label", table::headline(summary))
        .inside(Element::new("style").inside(format!("\n{}", super::page::STYLE)))
        .inside(Element::new("rect").class("paper").place([
            ("x", 0.5),
            ("y", 0.5),
            ("width", width - 1.0),
            ("height", height - 1.0),
            ("rx", 8.0),
        ]))
        .inside(text("headline", 30.0, headline))
        .inside(text(
            if held { "good" } else { "bad" },
            51.0,
            &table::headline(summary),
        ))
        .inside(
            Element::new("g")
                .with("transform", format!("translate({MARGIN} {HEAD})"))
                .inside(charts),
        );
    format!("{svg}\n")
}

fn text(class: &str, y: f64, text: &str) -> Element {
    Element::new("text")
        .class(class)
        .place([("x", MARGIN + 8.0), ("y", y)])
        .text(text)
}
