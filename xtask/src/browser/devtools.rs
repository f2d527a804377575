//! A browser driven over a pair of pipes: one JSON message after the other, each ended by a zero.
//!
//! The browser ends with the value, and in any case after a time limit; what waits for an answer then
//! fails.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::setup::browser::Browser;

/// For everything that is asked of one browser.
const LIMIT: &str = "600";

/// A running browser with one open page.
pub(super) struct Devtools {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    next_id: u64,
    session: Option<String>,
    /// Addresses that pages asked for.
    requests: Vec<String>,
}

impl Devtools {
    /// Starts it with a profile of its own, without a network.
    pub(super) fn start(browser: &Browser, home: &Path) -> Result<Self> {
        let profile = home.join("profile");
        fs::create_dir_all(&profile)
            .with_context(|| format!("cannot create {}", profile.display()))?;
        // The browser reads its orders from descriptor 3 and answers on 4.
        let script =
            "exec timeout --signal=KILL \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut command = Command::new("sh");
        command.args(["-c", script, LIMIT]).arg(&browser.program);
        command.args([
            "--headless",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        if let Some(libraries) = &browser.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the browser")?;
        let to = child.stdin.take();
        let from = child.stdout.take().context("the browser has no stdout")?;
        let mut devtools = Self {
            child,
            to,
            from: BufReader::new(from),
            next_id: 0,
            session: None,
            requests: Vec::new(),
        };
        devtools.open_page()?;
        Ok(devtools)
    }

    fn open_page(&mut self) -> Result<()> {
        let made = self.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let target = made["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach)?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        self.call("Page.enable", &json!({}))?;
        self.call("Network.enable", &json!({}))?;
        Ok(())
    }

    /// What the browser answers to an order.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let to = self.to.as_mut().context("the browser has no stdin")?;
        to.write_all(&bytes)
            .with_context(|| format!("the browser does not take `{method}`"))?;
        loop {
            let mut answer = self
                .receive()
                .with_context(|| format!("waiting for `{method}`"))?;
            if answer["id"] == json!(id) {
                if let Some(error) = answer.get("error") {
                    bail!("the browser refuses `{method}`: {error}");
                }
                return Ok(answer["result"].take());
            }
        }
    }

    /// The next message; requests of a page are noted.
    fn receive(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        self.from
            .read_until(0, &mut bytes)
            .context("cannot read what the browser says")?;
        if bytes.pop() != Some(0) {
            bail!("the browser has ended");
        }
        let message: Value =
            serde_json::from_slice(&bytes).context("the browser does not speak JSON")?;
        if message["method"] == "Network.requestWillBeSent" {
            let address = message["params"]["request"]["url"]
                .as_str()
                .unwrap_or_default();
            self.requests.push(address.to_owned());
        }
        Ok(message)
    }

    /// Opens an address and waits until it is loaded; the addresses it asked for.
    pub(super) fn open(&mut self, address: &str) -> Result<Vec<String>> {
        self.requests.clear();
        let begun = self.call("Page.navigate", &json!({"url": address}))?;
        if let Some(error) = begun["errorText"].as_str() {
            bail!("{address} cannot be opened: {error}");
        }
        while self.receive()?["method"] != "Page.loadEventFired" {}
        Ok(std::mem::take(&mut self.requests))
    }

    /// The value of an expression in the page.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", &parameters)?;
        if let Some(details) = answer.get("exceptionDetails") {
            bail!("the page throws {details}");
        }
        Ok(answer["result"]["value"].take())
    }
}

impl Drop for Devtools {
    fn drop(&mut self) {
        // Without its pipe the browser ends by itself; it is not waited for longer than its limit.
        self.to.take();
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The bytes of a text in base 64; None when it is none.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_reads_back() {
        assert_eq!(decoded("").unwrap(), b"");
        assert_eq!(decoded("Zg==").unwrap(), b"f");
        assert_eq!(decoded("Zm9vYmE=").unwrap(), b"fooba");
        assert_eq!(decoded("/+8=").unwrap(), [0xff, 0xef]);
        assert_eq!(decoded("a b"), None);
    }
}
