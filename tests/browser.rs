//! The page in a real browser: opened from disk, without console errors, and what its controls do.
//!
//! Speaks the `WebDriver` protocol (W3C Recommendation) to `chromedriver` over loopback. Without it the tests say "skipped";
//! in CI that is a failure.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// A browser with one window; ends with the value.
struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Kept open, since the driver writes to it.
    _output: BufReader<ChildStdout>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser, or says that there is none.
    fn start() -> Option<Self> {
        if !Path::new(CHROMEDRIVER).exists() {
            #[expect(
                clippy::disallowed_methods,
                reason = "CI says by the environment that it is CI"
            )]
            let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!in_ci, "CI must have {CHROMEDRIVER}");
            println!("skipped: chromedriver is not installed");
            return None;
        }
        let mut driver = Command::new(CHROMEDRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let port = port_of(&mut output);
        let profile = tempfile::tempdir().unwrap();
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            &user_data,
        ];
        let mut browser =
            Self { driver, port, session: String::new(), _output: output, _profile: profile };
        let created = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"args": arguments},
            }}}),
        );
        created["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        Some(browser)
    }

    /// Sends a command and returns its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn open(&self, page: &Path) {
        self.command("/url", &json!({"url": format!("file://{}", page.display())}));
        assert_eq!(self.run("return document.documentElement.dataset.drawn"), "true");
    }

    /// Runs a script in the page and returns its value.
    fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until the page has drawn, as it does after its media or size have changed.
    fn drawn(&self) {
        let script = "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => done(true)))";
        self.command("/execute/async", &json!({"script": script, "args": []}));
    }

    /// Returns a hash of the pixels of a canvas.
    fn picture(&self, id: &str) -> Value {
        self.run(&format!(
            "const image = document.getElementById('{id}').toDataURL();
             let hash = 0;
             for (let i = 0; i < image.length; i++) hash = (hash * 31 + image.charCodeAt(i)) % 4294967291;
             return hash;"
        ))
    }

    /// Asserts that nothing went wrong since the last call, as the console has it.
    fn assert_quiet(&self) {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        assert_eq!(log, json!([]), "the console is empty");
    }

    /// Makes the window a phone's, or any other width.
    fn resize(&self, width: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.session.is_empty() {
            self.call("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

/// Reads the port that the driver has chosen from its output.
fn port_of(output: &mut impl BufRead) -> u16 {
    output
        .lines()
        .map(Result::unwrap)
        .find_map(|line| {
            line.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        })
        .expect("chromedriver names its port")
}

/// Makes the report of the sample results in a new folder.
fn sample_page() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report");
    let summary = lwsim::experiment::result::Summary::read(&from).unwrap();
    std::fs::copy(from.join("summary.json"), dir.path().join("summary.json")).unwrap();
    for run in summary.variants.values().flat_map(|variant| &variant.runs) {
        let to = dir.path().join(&run.events_file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&run.events_file), to).unwrap();
    }
    let written = lwsim::report::write(dir.path()).unwrap();
    (dir, written.page)
}

#[test]
fn the_page_opens_from_disk_and_its_controls_work() {
    let Some(browser) = Browser::start() else { return };
    let (_dir, page) = sample_page();
    browser.resize(1280);
    browser.open(&page);
    assert_eq!(browser.run("return document.documentElement.dataset.groups"), "2");
    check_slider(&browser);
    check_keyboard(&browser);
    check_pickers(&browser);
    check_themes(&browser);
    browser.assert_quiet();
}

/// Runs the scenario of the README's first command and returns its page.
fn quickstart_page() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("quickstart");
    let status = Command::new(env!("CARGO_BIN_EXE_lwsim"))
        .args(["run", "scenarios/quickstart.yaml", "--out"])
        .arg(&out)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    (dir, out.join("index.html"))
}

#[test]
fn the_page_of_the_first_command_shows_two_groups_from_nothing_to_ready() {
    let Some(browser) = Browser::start() else { return };
    let (_dir, page) = quickstart_page();
    browser.open(&page);
    assert_eq!(browser.run("return document.documentElement.dataset.groups"), "2");
    check_slider(&browser);
    browser.assert_quiet();
}

#[test]
fn the_page_fits_a_phone() {
    let Some(browser) = Browser::start() else { return };
    let (_dir, page) = sample_page();
    browser.resize(360);
    browser.open(&page);
    for scheme in ["light", "dark"] {
        browser.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        assert_eq!(browser.run("return document.documentElement.scrollWidth"), 360);
        // Whatever is wider than the screen scrolls by itself and can be reached by keyboard.
        let wide = browser.run(
            "return [...document.querySelectorAll('main *')]
                .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto' && e.tabIndex < 0)
                .map(e => e.outerHTML.slice(0, 80))",
        );
        assert_eq!(wide, json!([]));
    }
    browser.assert_quiet();
}

/// Moves the slider as a user does and returns what the page then shows.
fn move_slider(browser: &Browser, value: u32) -> (Value, Value, Value) {
    browser.run(&format!(
        "const s = document.getElementById('slider');
         s.value = {value};
         s.dispatchEvent(new Event('input', {{bubbles: true}}));"
    ));
    (
        browser.run("return document.getElementById('groups-ready-now').textContent"),
        browser.run("return document.documentElement.dataset.accelerators"),
        browser.picture("map"),
    )
}

fn check_slider(browser: &Browser) {
    let start = move_slider(browser, 0);
    let end = move_slider(browser, 1000);
    assert_eq!((&start.0, &start.1), (&json!("0"), &json!("0")), "nothing is bound at the start");
    assert_eq!((&end.0, &end.1), (&json!("2"), &json!("32")), "all is ready at the end");
    assert_ne!(start.2, end.2, "the map's picture differs");
    assert_eq!(move_slider(browser, 0), start, "the same time shows the same");
    let said =
        browser.run("return document.getElementById('slider').getAttribute('aria-valuetext')");
    assert_eq!(said, "0:00, 0 of 2 groups ready");
}

fn check_keyboard(browser: &Browser) {
    move_slider(browser, 1000);
    for (id, expected) in [("map", "node-0"), ("gantt", "vllm-0: ready")] {
        let key = if id == "map" { "ArrowRight" } else { "ArrowDown" };
        let readout = browser.run(&format!(
            "const c = document.getElementById('{id}');
             c.focus();
             c.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, cancelable: true}}));
             return document.getElementById('{id}-readout').textContent"
        ));
        assert!(readout.as_str().unwrap().starts_with(expected), "{id}: {readout}");
    }
}

fn check_pickers(browser: &Browser) {
    let pick = |id: &str, value: u32| {
        browser.run(&format!(
            "const s = document.getElementById('{id}');
             s.value = {value};
             s.dispatchEvent(new Event('change', {{bubbles: true}}));"
        ));
    };
    let stuck = "return !document.getElementById('stuck').hidden";
    assert_eq!(browser.run(stuck), false);
    pick("variant", 1);
    assert_eq!(browser.run(stuck), true, "a stuck run shows its waits");
    assert_eq!(browser.run("return document.documentElement.dataset.groups"), "3");
    let before = browser.run("return document.getElementById('facts').textContent");
    pick("seed", 1);
    assert_ne!(browser.run("return document.getElementById('facts').textContent"), before);
    pick("variant", 0);
}

fn check_themes(browser: &Browser) {
    let paper = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let (system, picture) = (paper(), browser.picture("curve"));
    browser.devtools(
        "Emulation.setEmulatedMedia",
        &json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
    );
    browser.drawn();
    let dark = paper();
    assert_ne!(dark, system, "the page follows the system");
    assert_ne!(browser.picture("curve"), picture, "and so do its pictures");
    let click = "document.getElementById('theme').click()";
    browser.run(click);
    assert_eq!(paper(), system, "the first click chooses light");
    browser.run(click);
    assert_eq!(paper(), dark, "the second dark");
    browser.run(click);
}
