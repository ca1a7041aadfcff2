//! What a demo measured, and how it is shown to people: a page, a picture, and the table at the
//! end. Law: pure, samples in and text out; the same summary gives the same bytes. Nothing it
//! writes refers to anything outside the file.

mod chart;
mod markup;
mod page;
mod panel;
mod picture;
mod pool;
mod scale;
mod summary;
mod table;

use std::{fs, path::Path};

use crate::error::{Error, Result};

pub use page::page;
pub use picture::picture;
pub use pool::{Moment, Pool, Reached, pool_picture};
pub use summary::{
    Check, Event, Fact, Figures, Goal, Maxima, Phase, Sample, Step, Summary, Target, Verdict,
};
pub use table::text;

/// The machine-readable file.
pub const SUMMARY: &str = "summary.json";
/// The page.
pub const PAGE: &str = "report.html";
/// The picture.
pub const PICTURE: &str = "demo.svg";

/// Writes all three files into a directory, which is made if it is not there.
///
/// # Errors
/// When a file cannot be written.
pub fn write(summary: &Summary, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    let json = serde_json::to_string(summary)
        .map_err(|cause| Error::file("write", dir.join(SUMMARY))(cause.into()))?;
    for (name, text) in [
        (SUMMARY, json + "\n"),
        (PAGE, page(summary)),
        (PICTURE, picture(summary)),
    ] {
        let file = dir.join(name);
        fs::write(&file, text).map_err(Error::file("write", file))?;
    }
    Ok(())
}

/// Writes what a demo of a pool found: the text, the picture, and the figures for programs.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write_pool(pool: &Pool, text: &str, dir: &Path) -> Result<()> {
    let json = serde_json::to_string(pool).unwrap_or_default() + "\n";
    for (name, text) in [
        ("report.txt", text),
        (PICTURE, &pool_picture(pool)),
        (SUMMARY, &json),
    ] {
        let file = dir.join(name);
        fs::write(&file, text).map_err(Error::file("write", file))?;
    }
    Ok(())
}

/// Reads a summary and writes page and picture beside it.
///
/// # Errors
/// When the file is not a summary, or the others cannot be written.
pub fn render(input: &Path) -> Result<()> {
    let text = fs::read_to_string(input).map_err(Error::file("read", input))?;
    let summary: Summary =
        serde_json::from_str(&text).map_err(|cause| Error::file("read", input)(cause.into()))?;
    let dir = input.parent().unwrap_or(Path::new("."));
    for (name, text) in [(PAGE, page(&summary)), (PICTURE, picture(&summary))] {
        let file = dir.join(name);
        fs::write(&file, text).map_err(Error::file("write", file))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
