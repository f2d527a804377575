//! From the command line of an interpreter to a name that people know: `python3 worker.py`, `java
//! kafka.Kafka`, `gunicorn: app`. Pure.
//!
//! Command lines hold secrets, so nothing is taken but the script's base name, the module or the main
//! class, and only where it is certain that it is one: behind options that are known, or with the ending
//! of a script. Code given on the command line, and everything behind the script, is never looked at.

/// A name is cut behind so many characters.
const LONGEST: usize = 64;

/// How an interpreter takes its program.
struct Language {
    /// Without its version.
    names: &'static [&'static str],
    /// Options whose value is an argument of its own.
    with_value: &'static [&'static str],
    /// Options that hold code, after which there is no script.
    code: &'static [&'static str],
    /// The option that a module, a class or a file follows, or a command before the script.
    program: &'static [&'static str],
    endings: &'static [&'static str],
}

const LANGUAGES: &[Language] = &[
    Language {
        names: &["python", "pypy"],
        with_value: &["-W", "-X", "--check-hash-based-pycs"],
        code: &["-c", "-"],
        program: &["-m"],
        endings: &[".py", ".pyc", ".pyz"],
    },
    Language {
        names: &["node", "nodejs", "bun", "deno"],
        with_value: &[
            "-r",
            "--require",
            "--import",
            "--loader",
            "-C",
            "--env-file",
        ],
        code: &["-e", "--eval", "-p", "--print", "-"],
        program: &["run", "serve"],
        endings: &[".js", ".mjs", ".cjs", ".ts", ".mts"],
    },
    Language {
        names: &["java"],
        with_value: &[
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "--add-modules",
            "--add-opens",
            "--add-exports",
            "--add-reads",
            "--limit-modules",
        ],
        code: &[],
        program: &["-jar", "-m", "--module"],
        endings: &[".jar", ".war", ".java"],
    },
    Language {
        names: &["ruby", "jruby"],
        with_value: &["-I", "-r", "-C", "-E"],
        code: &["-e", "-"],
        program: &["-S"],
        endings: &[".rb", ".ru"],
    },
    Language {
        names: &["perl"],
        with_value: &["-I"],
        code: &["-e", "-E", "-"],
        program: &[],
        endings: &[".pl", ".psgi"],
    },
    Language {
        names: &["php"],
        with_value: &["-d", "-c", "-z"],
        code: &["-r", "-B", "-R", "-E", "-S", "-"],
        program: &["-f"],
        endings: &[".php", ".phar"],
    },
    Language {
        names: &["sh", "bash", "dash", "zsh", "ksh", "ash"],
        with_value: &["-o", "-O", "+o", "+O", "--rcfile", "--init-file"],
        code: &["-c", "-s"],
        program: &[],
        endings: &[".sh", ".bash"],
    },
    Language {
        names: &["lua", "luajit"],
        with_value: &["-l"],
        code: &["-e", "-"],
        program: &[],
        endings: &[".lua"],
    },
    Language {
        names: &["dotnet", "mono"],
        with_value: &[],
        code: &[],
        program: &["exec"],
        endings: &[".dll", ".exe"],
    },
];

/// Servers that write what they are into their command line.
const TITLED: &[&str] = &["gunicorn", "puma", "unicorn", "celery", "php-fpm"];
/// What node calls its first thread.
const FIRST_THREAD: &[&str] = &["MainThread", "node-MainThread"];

/// The interpreter that a process runs, by its name, or by its executable where the name is that of a
/// thread; `None`: its name says what it is. Only then its command line is worth reading.
pub(super) fn interpreter<'a>(comm: &'a str, exe: Option<&'a str>) -> Option<&'a str> {
    let name = if FIRST_THREAD.contains(&comm) {
        let path = exe?.trim_end_matches(" (deleted)");
        base(path)
    } else {
        comm
    };
    (language(name).is_some() || TITLED.contains(&without_version(name))).then_some(name)
}

/// The name of a process that runs `interpreter`, by the text of its /proc/PID/cmdline; `None`: what it
/// runs is not known.
pub(super) fn of(interpreter: &str, command_line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(command_line);
    let text = text.trim_end_matches('\0');
    let words: Vec<&str> = text.split('\0').collect();
    if let [title] = words[..]
        && title.contains(' ')
    {
        return from_title(title);
    }
    let language = language(interpreter)?;
    let program = language.program_of(words.get(1..)?)?;
    Some(format!("{interpreter} {}", cut(program)))
}

impl Language {
    fn program_of<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        let mut is_certain = true;
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if self.is_code(word) {
                return None;
            }
            if self.program.contains(&word) {
                if !word.starts_with('-') {
                    continue;
                }
                // A module, a class behind its module, or a file.
                return words.next().map(base).filter(|word| is_name(word));
            }
            if self.with_value.contains(&word) {
                words.next()?;
            } else if word.starts_with(['-', '+']) {
                // Its value may be the next word.
                is_certain &= !word.starts_with("--") || word.contains('=');
            } else {
                let name = base(word);
                let has_ending = self.endings.iter().any(|ending| name.ends_with(ending));
                return (is_name(name) && (is_certain || has_ending)).then_some(name);
            }
        }
        None
    }

    /// Short options may stand together: `-ne` has code behind it as `-e` has.
    fn is_code(&self, word: &str) -> bool {
        let is_short = word.len() > 2 && word.starts_with('-') && !word.starts_with("--");
        let last = word.chars().next_back();
        let joined = || {
            self.code
                .iter()
                .any(|code| code.len() == 2 && code.chars().next_back() == last)
        };
        self.code.contains(&word) || (is_short && self.names != ["java"] && joined())
    }
}

/// `gunicorn: worker [app:app]`, `puma 5.6.5 (tcp://0.0.0.0:3000) [shop]`, `php-fpm: pool www`.
fn from_title(title: &str) -> Option<String> {
    let (server, rest) = title.split_once([' ', ':'])?;
    if !is_name(server) {
        return None;
    }
    let bracketed = || rest.rsplit_once('[')?.1.strip_suffix(']');
    let pool = || rest.trim_start().strip_prefix("pool ");
    let app = bracketed().or_else(pool)?;
    let app = app.split(':').next()?;
    is_name(app).then(|| format!("{server}: {}", cut(app)))
}

fn language(name: &str) -> Option<&'static Language> {
    let bare = without_version(name);
    LANGUAGES
        .iter()
        .find(|language| language.names.contains(&bare))
}

fn without_version(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether it may be the name of a file, a module or a class.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "._-$+@".contains(c);
    !text.is_empty() && text.chars().all(is_part)
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(comm: &str, line: &str) -> Option<String> {
        let line = line.replace(' ', "\0");
        of(interpreter(comm, Some("/usr/bin/node"))?, line.as_bytes())
    }

    #[track_caller]
    fn is(comm: &str, line: &str, name: &str) {
        assert_eq!(named(comm, line).as_deref(), Some(name), "{line}");
    }

    #[test]
    fn programs_of_interpreters() {
        is(
            "python3",
            "python3 /srv/worker.py --password x",
            "python3 worker.py",
        );
        is(
            "python3.11",
            "python3.11 -u -W ignore /srv/worker -x",
            "python3.11 worker",
        );
        is(
            "python3",
            "python3 -m http.server 80",
            "python3 http.server",
        );
        is(
            "node",
            "node --max-old-space-size=99 /app/dist/server.js",
            "node server.js",
        );
        is("MainThread", "node -r dotenv server.js", "node server.js");
        is(
            "java",
            "java -Xmx4g -Dp=s -cp /a:/b kafka.Kafka /etc/k",
            "java kafka.Kafka",
        );
        is("java", "java -jar /opt/shop.jar --token x", "java shop.jar");
        is(
            "java",
            "java -m com.shop/com.shop.Main",
            "java com.shop.Main",
        );
        is("ruby", "ruby -I lib bin/rails server", "ruby rails");
        is("perl", "perl -w /usr/sbin/spamd", "perl spamd");
        is("php", "php -d memory_limit=1 artisan queue", "php artisan");
        is("bash", "bash -e /etc/run.sh secret", "bash run.sh");
        is("sh", "sh ./start", "sh start");
        is("deno", "deno run --allow-net=x server.ts", "deno server.ts");
        is("dotnet", "dotnet /app/Shop.dll", "dotnet Shop.dll");
    }

    #[test]
    fn titles_of_servers() {
        let title = |comm, title: &str| of(interpreter(comm, None)?, title.as_bytes());
        let gunicorn = title("gunicorn", "gunicorn: worker [shop.wsgi:app]\0\0\0");
        assert_eq!(gunicorn.as_deref(), Some("gunicorn: shop.wsgi"));
        let puma = title("ruby", "puma 5.6.5 (tcp://0.0.0.0:3000) [shop]");
        assert_eq!(puma.as_deref(), Some("puma: shop"));
        let pool = title("php-fpm8.2", "php-fpm: pool www");
        assert_eq!(pool.as_deref(), Some("php-fpm: www"));
        assert_eq!(title("php-fpm", "php-fpm: master process (/etc/x)"), None);
    }

    #[test]
    fn arguments_and_code_are_never_shown() {
        let secret = "hunter2";
        for (comm, line) in [
            ("python3", "python3 -c hunter2"),
            ("python3", "python3 -uc hunter2"),
            ("node", "node -e hunter2"),
            ("node", "node --token hunter2"),
            ("perl", "perl -ne hunter2"),
            ("bash", "bash -lc hunter2"),
            ("java", "java --unknown hunter2"),
            ("php", "php -r hunter2"),
            ("python3", "python3 password=hunter2"),
            ("python3", "python3"),
            ("sh", ""),
        ] {
            let name = named(comm, line);
            assert!(
                !name.as_deref().unwrap_or_default().contains(secret),
                "{name:?}"
            );
            assert_eq!(name, None, "{line}");
        }
        // The title of a program that is no interpreter is not read at all.
        assert_eq!(interpreter("postgres", None), None);
        assert_eq!(interpreter("worker.py", None), None);
        assert_eq!(interpreter("MainThread", None), None);
    }

    proptest! {
        #[test]
        fn any_command_line_is_read_without_a_panic(line: Vec<u8>, number in 0usize..9) {
            let name = of(LANGUAGES[number].names[0], &line);
            prop_assert!(name.is_none_or(|name| name.chars().count() <= LONGEST + 80));
        }
    }
}
