//! `cargo xtask test report`: the pages that the report's tests left behind, looked at by a real
//! browser in light and dark, at the width of a phone, and on paper.
//!
//! What can be measured is: nothing is asked for from outside, nothing is wider than the page, marks
//! of an axis do not overlap, text stands out from what is behind it, the picture is not blank. The
//! pictures are left in `target/report`, for a person to look at. Fails with all that is wrong.

mod devtools;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::process;
use crate::setup::{self, browser};
use crate::workspace::Workspace;
use devtools::Devtools;

/// One way to look at a page.
struct Look {
    name: &'static str,
    width: u32,
    is_dark: bool,
    is_paper: bool,
}

const fn look(name: &'static str, width: u32, is_dark: bool, is_paper: bool) -> Look {
    Look {
        name,
        width,
        is_dark,
        is_paper,
    }
}

const LOOKS: [Look; 5] = [
    look("light", 1280, false, false),
    look("dark", 1280, true, false),
    look("phone", 390, false, false),
    look("phone-dark", 390, true, false),
    look("paper", 794, false, true),
];

/// A browser cannot draw higher pictures.
const HIGHEST: u64 = 16_000;
/// Colours of a picture at least; a blank one has a single one.
const FEWEST_COLOURS: u64 = 12;

/// What is measured in the page.
const MEASURE: &str = include_str!("measure.js");

/// Counts the colours of a picture given as data.
const COLOURS: &str = "(async data => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + data;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.width, Math.min(image.height, 2000)];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set();
    for (const pixel of new Uint32Array(pixels.buffer)) seen.add(pixel);
    return seen.size;
})";

pub(crate) fn main(workspace: &Workspace, filter: &[String]) -> Result<()> {
    setup::ensure(workspace)?;
    let browser = browser::ensure(workspace)?;
    let mut test = workspace.cargo();
    process::run(test.args(["test", "--package", "tcptrace", "--test", "report"]))?;
    let pages = pages(workspace, filter)?;
    let pictures = workspace.root().join("target/report");
    fs::create_dir_all(&pictures)
        .with_context(|| format!("cannot create {}", pictures.display()))?;
    let mut devtools = Devtools::start(&browser, &pictures)?;
    let mut findings = Vec::new();
    for page in &pages {
        let name = page
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for look in &LOOKS {
            let found = examine(&mut devtools, page, look, &pictures.join(&name))
                .with_context(|| format!("{name}, {}", look.name))?;
            findings.extend(
                found
                    .into_iter()
                    .map(|what| format!("  {name}, {}: {what}", look.name)),
            );
        }
        println!("report: {name} looked at");
    }
    if !findings.is_empty() {
        bail!(
            "{} wrong with the pages\n{}",
            findings.len(),
            findings.join("\n")
        );
    }
    println!(
        "report: {} pages are fine; pictures in {}",
        pages.len(),
        pictures.display()
    );
    Ok(())
}

/// The pages whose name contains one of the words.
fn pages(workspace: &Workspace, filter: &[String]) -> Result<Vec<PathBuf>> {
    let metadata = workspace.metadata(false)?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target_directory")?;
    let directory = Path::new(target).join("tmp/report");
    let entries =
        fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut pages: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "html")
        })
        .filter(|path| {
            let name = path.to_string_lossy();
            filter.is_empty() || filter.iter().any(|word| name.contains(word))
        })
        .collect();
    pages.sort();
    if pages.is_empty() {
        bail!(
            "no page in {}: the test `report` writes them",
            directory.display()
        );
    }
    Ok(pages)
}

/// What is wrong; the picture goes to `picture` and the look's name.
fn examine(
    devtools: &mut Devtools,
    page: &Path,
    look: &Look,
    picture: &Path,
) -> Result<Vec<String>> {
    let scheme = if look.is_dark { "dark" } else { "light" };
    let media = json!({
        "media": if look.is_paper { "print" } else { "" },
        "features": [{"name": "prefers-color-scheme", "value": scheme}],
    });
    devtools.call("Emulation.setEmulatedMedia", &media)?;
    let screen = |height: u64| json!({"width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": false});
    devtools.call("Emulation.setDeviceMetricsOverride", &screen(900))?;
    let address = format!("file://{}", page.display());
    let mut findings: Vec<String> = devtools
        .open(&address)?
        .into_iter()
        .filter(|asked| *asked != address)
        .map(|asked| format!("the page asks for {asked}"))
        .collect();
    let measured = devtools.evaluate(MEASURE)?;
    findings.extend(strings(&measured["wrong"]));
    let height = measured["height"]
        .as_u64()
        .context("the page has no height")?;
    devtools.call(
        "Emulation.setDeviceMetricsOverride",
        &screen(height.clamp(1, HIGHEST)),
    )?;
    let shot = devtools.call("Page.captureScreenshot", &json!({"format": "png"}))?;
    let data = shot["data"]
        .as_str()
        .context("the browser took no picture")?
        .to_owned();
    write(picture, look.name, "png", &data)?;
    if look.is_paper {
        let paper = devtools.call("Page.printToPDF", &json!({"printBackground": true}))?;
        let data = paper["data"]
            .as_str()
            .context("the browser printed nothing")?;
        let bytes = write(picture, look.name, "pdf", data)?;
        if !bytes.starts_with(b"%PDF-") || bytes.len() < 10_000 {
            findings.push(format!("printed, it is {} bytes", bytes.len()));
        }
    }
    devtools.open("about:blank")?;
    let colours = devtools.evaluate(&format!("{COLOURS}('{data}')"))?;
    if colours.as_u64().unwrap_or(0) < FEWEST_COLOURS {
        findings.push(format!("the picture is blank: {colours} colours"));
    }
    Ok(findings)
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn write(picture: &Path, look: &str, extension: &str, data: &str) -> Result<Vec<u8>> {
    let bytes = devtools::decoded(data).context("the browser's picture is no base 64")?;
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    let file = picture.with_file_name(format!("{name}-{look}.{extension}"));
    fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(bytes)
}
