//! What `finis serve` is told: a file that is read whole, with every fault named by line, key and remedy.

use std::ffi::OsString;

use finis::serve::{Config, ConfigError, Surroundings};

use crate::door::{Scratch, check_snapshot, fixtures};

/// A file of these lines, beside a folder with nothing in it.
fn parse(text: &str) -> Result<Config, ConfigError> {
    let variable = |name: &str| match name {
        "SECRET" => Some(OsString::from("s3cret-canary")),
        "TOKEN" => Some(OsString::from("0123456789abcdef")),
        "WHSEC" => Some(OsString::from("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")),
        "EMPTY" => Some(OsString::new()),
        _ => None,
    };
    Config::parse("finis.toml", text, &Surroundings { folder: "/nowhere".into(), variable: &variable })
}

/// Lines of a file, and what is said of each of its faults.
#[track_caller]
fn check(text: &str, faults: &[&str]) {
    let error = parse(text).map(|_| ()).unwrap_err();
    let said: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(said, faults, "{text}");
    assert!(!error.to_string().contains("canary"), "a secret is shown");
}

const DESK: &str = "[source.desk]\nprovider = \"pathors\"\nheader = \"x-secret\"\nsecret_env = \"SECRET\"\n";

#[test]
fn unknown_keys_are_refused_with_the_nearest_that_there_is() {
    check(
        "[listen]\nadress = \"127.0.0.1:80\"\n",
        &["finis.toml:2: unknown key `listen.adress`: did you mean `address`?"],
    );
    check("[lisen]\n", &["finis.toml:1: unknown key `lisen`: did you mean `listen`?"]);
    check(
        "[store]\npath = \"a\"\n\n[log]\ncolour = true\n",
        &["finis.toml:5: unknown key `log.colour`: there are `format`, `level`"],
    );
    check(
        &format!("{DESK}gracee = \"2m\"\n"),
        &["finis.toml:5: unknown key `source.desk.gracee`: did you mean `grace`?"],
    );
    check(
        &format!("{DESK}[source.desk.recordings]\nfolder = \"r\"\nbytes = 1\n"),
        &[
            "finis.toml:7: unknown key `source.desk.recordings.bytes`: there are `allow`, `bytes_max`, `folder`, `keep`, `time_max`",
        ],
    );
}

#[test]
fn every_fault_is_named_at_once_in_the_order_of_the_file() {
    check(
        "contracts = 3\n[listen]\naddress = \"localhost:80\"\n[limits]\nbody_bytes_max = \"1 mib\"\nqueue_max = 0\nidle_time_max = \"5 minutes\"\nhead_time_max = \"2d\"\n[log]\nformat = \"xml\"\n",
        &[
            "finis.toml:1: `contracts`: this is a number, and it has to be a text: write it in quotes",
            "finis.toml:3: `listen.address`: `localhost:80` is no address: write an IP and a port, as `127.0.0.1:8080` or `[::1]:8080`",
            "finis.toml:5: `limits.body_bytes_max`: `1 mib` is no amount of bytes: write a whole number and a unit, as `64KiB` or `1MiB`",
            "finis.toml:6: `limits.queue_max`: it has to be from 1 to 1000000",
            "finis.toml:7: `limits.idle_time_max`: `5 minutes` is not a length of time: write a number and a unit, as `90s`, `2m`, `1h30m` or `7d`",
            "finis.toml:8: `limits.head_time_max`: it has to be from 100ms to 1h",
            "finis.toml:10: `log.format`: `xml` is none of the words `human`, `json`",
        ],
    );
    let error = parse("[listen\n").unwrap_err().to_string();
    assert!(error.starts_with("finis.toml:1: this is not TOML: "), "{error}");
    let error = parse("[log]\nlevel = \"info\"\nlevel = \"warn\"\n").unwrap_err().to_string();
    assert_eq!(error, "finis.toml:3: this is not TOML: a key stands twice in one table: remove one");
}

#[test]
fn a_secret_never_stands_in_the_file_and_is_never_shown() {
    let literal = "[source.desk]\nprovider = \"pathors\"\nheader = \"x-secret\"\nsecret = \"s3cret-canary\"\n";
    let said = parse(literal).unwrap_err().to_string();
    assert!(
        said.contains("[source.desk]: `secret` does not stand in this file, where many can read it: put it into a variable of the environment and write `secret_env = \"NAME\"`"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    check(
        "[source.desk]\nprovider = \"pathors\"\nheader = \"x-secret\"\nsecret_env = [\"MISSING\", \"EMPTY\", \"s3cret-canary\"]\nsecret_file = \"secret\"\n",
        &[
            "finis.toml:4: `source.desk.secret_env`: the variable `MISSING` is not set: set it before finis is started",
            "finis.toml:4: `source.desk.secret_env`: the variable `EMPTY` is empty: set it before finis is started",
            "finis.toml:4: `source.desk.secret_env`: this is no name of a variable: name the variable that has the secret, not the secret",
            "finis.toml:5: `source.desk.secret_file`: there is no file `/nowhere/secret`: write the secret into it, or name the one that has it",
        ],
    );
    let config = parse(DESK).unwrap();
    assert_eq!(config.sources[0].secrets[0].expose(), "s3cret-canary");
    assert!(!format!("{config:?}").contains("canary"), "a secret is in Debug");
}

#[test]
fn a_secret_may_be_in_a_file_and_there_may_be_several() {
    let scratch = Scratch::new();
    scratch.write("old", "one\r\n");
    scratch.write("new", "two");
    let around = Surroundings { folder: scratch.path().to_owned(), variable: &|_| Some("three".into()) };
    let text = "[source.desk]\nprovider = \"pathors\"\nheader = \"x-secret\"\nsecret_file = [\"old\", \"new\"]\nsecret_env = \"THREE\"\n";
    let config = Config::parse("finis.toml", text, &around).unwrap();
    let secrets: Vec<&str> = config.sources[0].secrets.iter().map(finis::serve::Hidden::expose).collect();
    assert_eq!(secrets, ["three", "one", "two"]);
}

#[test]
fn a_source_is_held_against_its_contract() {
    check(
        "[source.desk]\nprovider = \"pathor\"\nunsigned = true\n",
        &["finis.toml:2: `source.desk.provider`: no contract is called `pathor`: did you mean `pathors`?"],
    );
    check(
        "[source.desk]\nprovider = \"agntix\"\n",
        &[
            "finis.toml:1: [source.desk]: no secret: give one by `secret_env = \"NAME\"` or `secret_file = \"PATH\"`, or say `unsigned = true` to take whatever comes",
        ],
    );
    let error = parse("[source.desk]\nprovider = \"pathors\"\nsecret_env = \"SECRET\"\n").unwrap_err().to_string();
    assert!(error.starts_with("finis.toml:1: [source.desk]: ") && error.contains("header"), "{error}");
    let error = parse(&format!("{DESK}subscribe = [\"session.pondered\"]\n")).unwrap_err().to_string();
    assert!(error.contains("no kind of event is called `session.pondered`; there are session.ended"), "{error}");
    let error = parse(&format!("{DESK}subscribe = []\n")).unwrap_err().to_string();
    assert!(error.contains("`subscribe` is empty"), "{error}");
    let error = parse("[source.\"a/b\"]\nprovider = \"pathors\"\nunsigned = true\n").unwrap_err().to_string();
    assert!(error.contains("it is part of a path"), "{error}");
    check(
        "[[source]]\nname = \"desk\"\n",
        &["finis.toml:1: `source`: write a table for each, with its name: [source.NAME]"],
    );
    let error = parse("[source.desk]\nsecret_env = \"SECRET\"\n").unwrap_err().to_string();
    assert!(
        error.contains("it does not say whose contract it is read under: write `provider = \"pathors\"`"),
        "{error}"
    );
}

#[test]
fn who_reads_needs_a_token() {
    check(
        "[read]\n",
        &["finis.toml:1: [read]: there is no token: write `token_env = \"NAME\"` or `token_file = \"PATH\"`"],
    );
    check(
        "[read]\naddress = \"0.0.0.0:8081\"\n",
        &[
            "finis.toml:1: [read]: it can be reached from elsewhere, and there is no token: write `token_env = \"NAME\"` or `token_file = \"PATH\"`",
        ],
    );
    check("[read]\ntoken_env = \"SECRET\"\n", &["finis.toml:1: [read]: a token has at least 16 characters"]);
    let config = parse("[read]\naddress = \"0.0.0.0:8081\"\ntoken_env = \"TOKEN\"\n").unwrap();
    assert_eq!(config.read.unwrap().address.to_string(), "0.0.0.0:8081");
    assert_eq!(parse("[read]\ntoken_env = \"TOKEN\"\n").unwrap().read.unwrap().address, finis::serve::READ);
}

#[test]
fn numbers_are_told_on_this_machine_unless_it_is_meant() {
    let error = parse("[watch]\naddress = \"0.0.0.0:8082\"\n").unwrap_err().to_string();
    assert!(error.starts_with("finis.toml:2: `watch.address`: it can be reached from elsewhere"), "{error}");
    let config = parse("[watch]\naddress = \"0.0.0.0:8082\"\nwithout_token = true\n").unwrap();
    assert_eq!(config.watch.unwrap().port(), 8082);
    assert_eq!(parse("[watch]\n").unwrap().watch, Some(finis::serve::WATCH));
    assert_eq!(parse("").unwrap().watch, None);
}

#[test]
fn webhooks_go_where_they_may_and_are_signed() {
    let webhook = |rest: &str| format!("[webhook.crm]\nsecret_env = \"WHSEC\"\n{rest}");
    check(
        &webhook("url = \"http://user:s3cret-canary@crm.example/\"\n"),
        &["finis.toml:3: `webhook.crm.url`: the URL names a user or a password: leave both out"],
    );
    for (url, why) in [
        ("http://crm.example/", "without TLS"),
        ("https://10.0.0.7/", "not public"),
        ("https://localhost/", "not public"),
        ("https://crm.example:8443/", "port 8443"),
        ("crm.example", "not a URL"),
    ] {
        let error = parse(&webhook(&format!("url = \"{url}\"\n"))).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let config = parse(&webhook(
        "url = \"http://10.0.0.7:9000/\"\nallow = [\"10.0.0.0/8\"]\nschedule = [\"1s\", \"2m\"]\nstart = \"now\"\n",
    ));
    let webhook = &config.unwrap().webhooks[0];
    assert_eq!(webhook.schedule.as_ref().unwrap().len(), 2);
    assert!(webhook.build(&finis::serve::outbound::Roots::none()).is_ok());
    check(
        "[webhook.crm]\n",
        &[
            "finis.toml:1: [webhook.crm]: it does not say where notices go: write `url = \"https://…\"`",
            "finis.toml:1: [webhook.crm]: there is nothing to sign with: write `secret_env = \"NAME\"` or `secret_file = \"PATH\"`",
        ],
    );
    let error =
        parse("[webhook.crm]\nurl = \"https://crm.example/\"\nsecret_env = \"SECRET\"\n").unwrap_err().to_string();
    assert!(error.contains("secrets of webhooks are base64") && !error.contains("canary"), "{error}");
}

#[test]
fn what_cannot_be_kept_for_long_enough_is_refused() {
    check(
        "[retention]\nlast_word = true\n",
        &[
            "finis.toml:1: [retention]: it does not say for how long sessions are kept that are over: write `after = \"90d\"`",
        ],
    );
    let error = parse("[retention]\nafter = \"30d\"\nremember = \"1d\"\n").unwrap_err().to_string();
    assert!(error.contains("`retention.remember`: it has to be from 3d"), "{error}");
}

/// The sample, with the variables that it names.
fn sample() -> Config {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/finis.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let variable = |name: &str| {
        Some(OsString::from(if name == "FRONT_DESK_SECRET" {
            "s3cret"
        } else {
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
        }))
    };
    let variable =
        |name: &str| if name == "FINIS_READ_TOKEN" { Some("0123456789abcdef".into()) } else { variable(name) };
    Config::parse("finis.toml", &text, &Surroundings { folder: "/srv".into(), variable: &variable }).unwrap()
}

#[test]
fn the_sample_has_every_key_and_says_the_defaults() {
    let sample_text = include_str!("../../examples/finis.toml");
    for table in [
        "",
        "[store]",
        "[listen]",
        "[read]",
        "[retention]",
        "[log]",
        "[limits]",
        "[source.a]",
        "[source.a.recordings]",
        "[webhook.a]",
    ] {
        // What there is, is said of a key that is like none of them.
        let error = parse(&format!("{table}\nqqqqqqqqqqqqqqqq = 1\n")).unwrap_err().to_string();
        let line = error.lines().find(|line| line.contains("unknown key")).unwrap();
        let known = line.rsplit_once("there are ").unwrap().1;
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            // The keys that a secret may not have.
            if matches!(key, "secret" | "token") {
                continue;
            }
            let is_there = [format!("\n{key} = "), format!("\n# {key} = "), format!("\n[{key}"), format!(".{key}]")]
                .iter()
                .any(|form| sample_text.contains(form));
            assert!(is_there, "examples/finis.toml has no `{key}` of {table}");
        }
    }
    let (sample, defaults) = (sample(), parse("").unwrap());
    assert_eq!(sample.limits, defaults.limits);
    assert_eq!(sample.listen, defaults.listen);
    assert_eq!(sample.log, defaults.log);
    assert_eq!(sample.store.file_name(), defaults.store.file_name());
    let retention = sample.retention.unwrap();
    assert_eq!(finis::engine::Retention { refused: None, ..retention }, finis::engine::Retention::new(retention.after));
    let crm = &sample.webhooks[0];
    let plain = finis::serve::WebhookConfig { concurrency: None, timeout: None, schedule: None, ..crm.clone() };
    let roots = finis::serve::outbound::Roots::none();
    let [(told, _), (default, _)] = [crm, &plain].map(|webhook| webhook.build(&roots).unwrap());
    assert_eq!((told.concurrency, &told.delays, told.start), (default.concurrency, &default.delays, default.start));
}

#[test]
fn config_check_says_what_was_understood() {
    let scratch = Scratch::new();
    scratch.write("finis.toml", include_str!("../../examples/finis.toml"));
    let finis = |arguments: &str| {
        scratch
            .finis(arguments)
            .env("FINIS_READ_TOKEN", "0123456789abcdef")
            .env("FRONT_DESK_SECRET", "s3cret-canary")
            .env("OUTBOUND_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
            .env("OUTBOUND_SECRET_NEW", "whsec_ODEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
            .env("CRM_WEBHOOK_SECRET", "whsec_NDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    };
    let ended = finis("config check").fine();
    check_snapshot(&fixtures().join("serve/config.txt"), &ended.out);
    let ended = finis("config check --json").fine();
    assert!(!ended.out.contains("canary") && !ended.out.contains("whsec_"), "{}", ended.out);
    let json = ended.json();
    assert_eq!(json["sources"][0]["hook"], "/hooks/front-desk");
    assert_eq!(json["limits"]["body_bytes_max"], "1MiB");

    scratch.write("finis.toml", "[limits]\nqueue_maxx = 3\n");
    let ended = finis("config check").run();
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert_eq!(ended.err, "finis.toml:2: unknown key `limits.queue_maxx`: did you mean `queue_max`?\n");
    let ended = finis("config check --json").run();
    assert_eq!(ended.code, 1);
    assert_eq!(ended.json()["faults"][0]["line"], 2);
    let ended = finis("config check --config none.toml").run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("there is no `none.toml`: write one"), "{}", ended.err);
}
