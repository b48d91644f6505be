//! The options of the other examples, and what they do without any.

use std::path::PathBuf;
use std::time::Duration;

use windlass::middleware::Over;
use windlass::{Config, Slow};

use super::{address, words};

#[path = "../../examples/chat.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod chat;
#[path = "../../examples/dns/main.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod dns;
#[path = "../../examples/embedded.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod embedded;
#[path = "../../examples/http/main.rs"]
#[allow(dead_code, unused_imports, reason = "the options are tested here, the server elsewhere")]
mod http;
#[path = "../../examples/kv/main.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod kv;
#[path = "../../examples/middleware.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod middleware;

#[path = "../../examples/multicore.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod multicore;
#[path = "../../examples/websocket/main.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod websocket;

/// What the example of this name makes of a command line.
macro_rules! read {
    ($example:ident, $line:expr) => {
        $example::read(&mut $example::common::Options::new(words($line)))
    };
}

/// Asserts that the example of this name complains of each command line in this way.
macro_rules! assert_bad {
    ($example:ident, $($line:expr => $complaint:expr),+ $(,)?) => {
        $(match read!($example, $line) {
            Err($example::common::Stop::BadUsage(said)) => assert_eq!(said, $complaint),
            other => panic!("{}: {other:?}", $line),
        })+
    };
}

#[test]
fn every_option_of_the_chat_is_understood() {
    let settings = read!(
        chat,
        "--tcp [::1]:0 --slow close --high-watermark 4KiB --idle-timeout 5s --rate-limit 3/m \
         --max-connections 9 --drain-timeout 1s"
    )
    .unwrap();
    assert_eq!(settings.tcp, address("[::1]:0"));
    assert_eq!((settings.slow, settings.idle_timeout), (Slow::Close, Duration::from_secs(5)));
    let rate = chat::common::Rate { count: 3, period: Duration::from_secs(60) };
    assert_eq!(settings.rate_limit, rate);
    let config = Config {
        max_connections: Some(9),
        high_watermark: 4096,
        low_watermark: 1024,
        idle_timeout: None,
        first_frame_timeout: None,
        drain_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    assert_eq!(settings.config, config);
    assert_bad!(chat,
        "--slow count" => "--slow count: it takes skip or close",
        "--udp 127.0.0.1:0" => "there is no option --udp",
    );
    assert_eq!(read!(chat, "--help"), Err(chat::common::Stop::Help));
    assert_eq!(read!(chat, "").unwrap().tcp, address("127.0.0.1:7000"));
}

#[test]
fn what_would_move_the_terminal_of_another_is_escaped() {
    assert_eq!(chat::harmless("héllo, 世界 \u{1f600}"), "héllo, 世界 \u{1f600}");
    assert_eq!(chat::harmless("\u{1b}[2J\r\t\u{9b}31m"), "\\u{1b}[2J\\r\\t\\u{9b}31m");
    assert_eq!(chat::harmless("\u{202e}abc\u{2066}"), "\\u{202e}abc\\u{2066}");
}

#[test]
fn every_option_of_the_key_value_server_is_understood() {
    let settings = read!(
        kv,
        "--tcp [::1]:0 --password sesame --max-memory 1MiB --max-value 1KiB --max-request 2KiB \
         --max-output 64KiB --idle-timeout 5s --max-connections 9 --drain-timeout 1s"
    )
    .unwrap();
    assert_eq!(settings.tcp, address("[::1]:0"));
    assert_eq!((settings.password.as_deref(), settings.max_memory), (Some("sesame"), 1 << 20));
    assert_eq!((settings.limits.max_value_len, settings.limits.max_request_len), (1024, 2048));
    let config = Config {
        max_connections: Some(9),
        idle_timeout: Some(Duration::from_secs(5)),
        first_frame_timeout: None,
        write_limit: 65_536,
        drain_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    assert_eq!(settings.config, config);
    assert_bad!(kv,
        "--max-value 0" =>
            "--max-value 0: it takes 1 to 536870912 bytes, such as 65536, 64KiB or 1MiB",
        "--password=" => "--password : it takes a word",
        "--udp 127.0.0.1:0" => "there is no option --udp",
    );
    assert_eq!(read!(kv, "--help"), Err(kv::common::Stop::Help));
    let settings = read!(kv, "").unwrap();
    assert_eq!((settings.tcp, settings.password), (address("127.0.0.1:7000"), None));
    let Config { memory_budget, write_limit, .. } = settings.config;
    assert!(memory_budget > settings.limits.max_request_len + 2 * write_limit);
    assert!(settings.config.check().is_ok());
    let value_beyond_a_request = read!(kv, "--max-value 2KiB --max-request 1KiB").unwrap();
    assert_eq!(value_beyond_a_request.limits.max_value_len, 1024);
}

#[test]
fn every_option_of_the_dns_server_is_understood() {
    let settings = read!(
        dns,
        "--tcp 127.0.0.1:0 --udp [::1]:53 --zone a/b --origin example.org --max-udp-payload 512 \
         --max-amplification 1 --rate-limit 3/m --max-connections 9 --max-per-address 2 \
         --idle-timeout 5s --drain-timeout 1s"
    )
    .unwrap();
    assert_eq!(settings.addresses.tcp, [address("127.0.0.1:0")]);
    assert_eq!(settings.addresses.udp, [address("[::1]:53")]);
    assert_eq!(settings.zone, Some(PathBuf::from("a/b")));
    assert_eq!(settings.origin.as_deref(), Some("example.org"));
    assert_eq!((settings.limits.payload_len, settings.limits.amplification), (512, 1));
    let rate = dns::common::Rate { count: 3, period: Duration::from_secs(60) };
    assert_eq!((settings.rate_limit, settings.max_per_address), (Some(rate), Some(2)));
    let timeout = Some(Duration::from_secs(5));
    let config = Config {
        max_connections: Some(9),
        first_frame_timeout: timeout,
        frame_timeout: timeout,
        idle_timeout: timeout,
        drain_timeout: Duration::from_secs(1),
        max_datagram_len: 4096,
        ..Config::default()
    };
    assert_eq!(settings.config, config);
}

#[test]
fn without_options_the_dns_server_has_a_zone_and_limits() {
    let settings = read!(dns, "").unwrap();
    assert_eq!(settings.addresses.tcp, [address("127.0.0.1:7000")]);
    assert_eq!(settings.addresses.udp, [address("127.0.0.1:7000")]);
    assert_eq!((settings.zone.as_ref(), settings.rate_limit), (None, None));
    assert_eq!((settings.limits.payload_len, settings.limits.amplification), (1232, 8));
    assert_eq!(settings.config.idle_timeout, Some(Duration::from_secs(10)));
    assert!(dns::server(settings).is_ok());
    assert_eq!(read!(dns, "--help"), Err(dns::common::Stop::Help));
}

#[test]
fn what_is_wrong_with_a_zone_is_said_in_one_line() {
    assert_bad!(dns,
        "--zone" => "--zone has no value: it takes a file",
        "--origin=" => "--origin : it takes a name, such as example.com",
        "--max-udp-payload 511" => "--max-udp-payload 511: it takes a number from 512 to 4096",
        "--max-amplification 0" => "--max-amplification 0: it takes a number from 1 to 1000",
    );
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/example_options.zone");
    std::fs::write(file, "$TTL 1h\n\n@ SOA . . 1 2 3 4\n").expect("there is room for a zone");
    for (options, complaint) in [
        (
            format!("--zone {file}"),
            format!("{file}:3: \"@\" is relative, and there is no $ORIGIN yet"),
        ),
        (
            format!("--zone {file} --origin a"),
            format!("{file}:3: a record of type SOA has 7 fields"),
        ),
        (
            "--origin a..b".into(),
            "--origin \"a..b\" has a label of 0 bytes: 1 to 63 make one".into(),
        ),
        ("--zone /nowhere".into(), "/nowhere: No such file or directory (os error 2)".into()),
    ] {
        let server = dns::server(read!(dns, &options).unwrap());
        assert_eq!(server.err().map(|error| error.to_string()), Some(complaint));
    }
}

#[test]
fn every_option_of_the_http_server_is_understood() {
    let settings = read!(
        http,
        "--tcp 127.0.0.1:0 --tcp [::1]:80 --files a/b --event-interval 100ms --max-head 32KiB \
         --max-body 1MiB --head-timeout 1s --body-timeout 2s --idle-timeout 3s --write-timeout 4s \
         --max-connections 9 --max-per-address 2 --drain-timeout 5s --log"
    )
    .unwrap();
    assert_eq!(settings.tcp, [address("127.0.0.1:0"), address("[::1]:80")]);
    assert_eq!(settings.files, Some(PathBuf::from("a/b")));
    assert_eq!(settings.event_interval, Duration::from_millis(100));
    assert_eq!((settings.limits.head_len, settings.limits.body_len), (32 << 10, 1 << 20));
    assert_eq!(settings.body_timeout, Duration::from_secs(2));
    assert_eq!((settings.max_per_address, settings.has_log), (Some(2), true));
    let config = Config {
        max_connections: Some(9),
        first_frame_timeout: Some(Duration::from_secs(1)),
        frame_timeout: Some(Duration::from_secs(1)),
        idle_timeout: Some(Duration::from_secs(3)),
        write_timeout: Some(Duration::from_secs(4)),
        drain_timeout: Duration::from_secs(5),
        ..Config::default()
    };
    assert_eq!(settings.config, config);
    assert_bad!(http,
        "--max-head 16383" =>
            "--max-head 16383: it takes 16384 to 1048576 bytes, such as 65536, 64KiB or 1MiB",
        "--max-body 0" =>
            "--max-body 0: it takes 1 to 2147483647 bytes, such as 65536, 64KiB or 1MiB",
        "--udp 127.0.0.1:0" => "there is no option --udp",
        "--files" => "--files has no value: it takes a file",
    );
    assert_eq!(read!(http, "--help"), Err(http::common::Stop::Help));
    let settings = read!(http, "").unwrap();
    assert_eq!(settings.tcp, [address("127.0.0.1:7000")]);
    assert_eq!((settings.files, settings.limits.head_len), (None, 16 << 10));
    assert_eq!(settings.config.idle_timeout, Some(Duration::from_secs(60)));
}

#[test]
fn every_option_of_the_embedded_server_is_understood() {
    let line = "--tcp 127.0.0.1:1 --tcp [::1]:0 --tick 20ms --by-descriptor --drain-timeout 1s";
    let settings = read!(embedded, line).unwrap();
    assert_eq!(settings.tcp, [address("127.0.0.1:1"), address("[::1]:0")]);
    assert_eq!((settings.tick, settings.by_descriptor), (Duration::from_millis(20), true));
    // The program sees to its signals itself.
    assert!(settings.config.signals.is_empty());
    assert_eq!(settings.config.drain_timeout, Duration::from_secs(1));
    assert!(!read!(embedded, "").unwrap().by_descriptor);
    assert_bad!(embedded,
        "--tick 0s" => "--tick 0s: it takes a duration above zero, such as 500ms, 30s, 2m or 1h",
        "--descriptor" => "there is no option --descriptor",
    );
    assert_eq!(read!(embedded, "-h"), Err(embedded::common::Stop::Help));
}

#[test]
fn every_option_of_the_server_on_more_cores_is_understood() {
    let line = "--tcp 127.0.0.1:1 --udp [::1]:0 --threads 3 --max-connections 9 --drain-timeout 1s";
    let settings = read!(multicore, line).unwrap();
    assert_eq!(settings.addresses.tcp, [address("127.0.0.1:1")]);
    assert_eq!(settings.addresses.udp, [address("[::1]:0")]);
    assert_eq!(settings.threads, Some(3));
    assert_eq!(settings.config.max_connections, Some(9));
    assert_eq!(settings.config.drain_timeout, Duration::from_secs(1));
    let settings = read!(multicore, "").unwrap();
    assert_eq!((settings.threads, settings.config.max_connections), (None, None));
    assert_eq!(settings.addresses.tcp, [address("127.0.0.1:7000")]);
    assert_eq!(settings.addresses.udp, [address("127.0.0.1:7000")]);
    // The program sees to its signals itself, and all engines have one address.
    assert!(settings.config.signals.is_empty() && settings.config.socket.reuse_port);
    assert_bad!(multicore,
        "--threads 0" => "--threads 0: it takes a number from 1 to 1024",
        "--framing raw" => "there is no option --framing",
    );
    assert_eq!(read!(multicore, "--help"), Err(multicore::common::Stop::Help));
}

#[test]
fn every_option_of_the_layers_is_understood() {
    use middleware::common::{Networks, Rate};

    let settings = read!(
        middleware,
        "--tcp 127.0.0.1:0 --metrics [::1]:9 --log-rate 7 --allow 10.0.0.0/8 --deny 10.0.0.1 \
         --max-per-address 2 --connection-rate 3/s --frame-rate 4/m --byte-rate 64KiB/s \
         --over refuse --password-file a/b --tries 5 --login-timeout 2s --forbid spam \
         --drain-timeout 1s"
    )
    .unwrap();
    assert_eq!(
        (settings.tcp, settings.metrics),
        (vec![address("127.0.0.1:0")], address("[::1]:9"))
    );
    assert_eq!(settings.log_rate, 7);
    assert_eq!(settings.config.drain_timeout, Duration::from_secs(1));
    let rate = |count, secs| Some(Rate { count, period: Duration::from_secs(secs) });
    let gate = middleware::Gate {
        networks: Networks {
            allowed: vec!["10.0.0.0/8".parse().unwrap()],
            denied: vec!["10.0.0.1".parse().unwrap()],
        },
        max_per_address: Some(2),
        connection_rate: rate(3, 1),
        frame_rate: rate(4, 60),
        byte_rate: rate(65_536, 1),
        over: Over::Refuse,
        password_file: Some(PathBuf::from("a/b")),
        tries: 5,
        login_timeout: Duration::from_secs(2),
        forbidden: Some("spam".to_owned()),
    };
    assert_eq!(settings.gate, gate);
}

#[test]
fn without_options_there_is_no_layer_but_the_log() {
    let settings = read!(middleware, "").unwrap();
    assert_eq!(settings.tcp, [address("127.0.0.1:7000")]);
    assert_eq!((settings.metrics, settings.log_rate), (address("127.0.0.1:7001"), 100));
    let gate = middleware::Gate {
        networks: middleware::common::Networks::default(),
        max_per_address: None,
        connection_rate: None,
        frame_rate: None,
        byte_rate: None,
        over: Over::Slow,
        password_file: None,
        tries: 3,
        login_timeout: Duration::from_secs(10),
        forbidden: None,
    };
    assert_eq!(settings.gate, gate);
}

#[test]
fn what_is_wrong_with_a_layer_is_said_in_one_line() {
    let bytes = "it takes bytes per time, above zero and below 4GiB, such as 1000/s or 64KiB/s";
    assert_bad!(middleware,
        "--over board" => "--over board: it takes slow or refuse or close",
        "--byte-rate 4GiB/s" => format!("--byte-rate 4GiB/s: {bytes}"),
        "--byte-rate 1KiB" => format!("--byte-rate 1KiB: {bytes}"),
        "--forbid=" => "--forbid : it takes a word",
        "--password-file" => "--password-file has no value: it takes a file",
        "--tries 0" => "--tries 0: it takes a number from 1 to 4294967295",
        "--udp 127.0.0.1:0" => "there is no option --udp",
    );
    assert_eq!(read!(middleware, "--help"), Err(middleware::common::Stop::Help));
}

#[test]
fn every_option_of_the_websocket_server_is_understood() {
    let settings = read!(
        websocket,
        "--tcp [::1]:0 --max-message 17MiB --max-frame 64KiB --max-unfinished 1GiB --max-guests 8 \
         --message-timeout 3s --frame-timeout 4s --ping 5m --slow close --high-watermark 1MiB \
         --rate-limit 3/m --max-connections 9 --drain-timeout 1s --origin https://a.example"
    )
    .unwrap();
    assert_eq!(settings.tcp, address("[::1]:0"));
    let rules = websocket::Rules {
        limits: websocket::Limits { max_frame: 64 << 10, max_message: 17 << 20 },
        max_unfinished: 1 << 30,
        max_guests: 8,
        message_timeout: Duration::from_secs(3),
        ping_interval: Duration::from_secs(300),
        origins: websocket::handshake::Origins::Listed(vec!["https://a.example".to_owned()]),
        slow: Slow::Close,
    };
    assert_eq!(settings.rules, rules);
    let rate = websocket::common::Rate { count: 3, period: Duration::from_secs(60) };
    assert_eq!(settings.rate_limit, Some(rate));
    let config = Config {
        max_connections: Some(9),
        high_watermark: 1 << 20,
        low_watermark: 1 << 18,
        // The echo of the longest message, on top of what may wait already.
        write_limit: (18 << 20) + 16,
        idle_timeout: Some(Duration::from_secs(900)),
        frame_timeout: Some(Duration::from_secs(4)),
        drain_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    assert_eq!(settings.config, config);
    assert_eq!(read!(websocket, "--help"), Err(websocket::common::Stop::Help));
}

#[test]
fn without_options_the_websocket_server_has_limits() {
    let settings = read!(websocket, "").unwrap();
    assert_eq!(settings.tcp, address("127.0.0.1:7000"));
    assert_eq!((settings.rules, settings.rate_limit), (websocket::Rules::default(), None));
    assert_eq!(settings.config, Config::default());
    let limits = |line| read!(websocket, line).unwrap().rules.limits;
    let smaller = websocket::Limits { max_frame: 125, max_message: 125 };
    assert_eq!(limits("--max-message 125"), smaller, "no frame is longer than a message");
    assert_eq!(limits("--max-message 125 --max-frame 64MiB"), smaller);
    let origins = |line| read!(websocket, line).unwrap().rules.origins;
    assert_eq!(origins("--origin any"), websocket::handshake::Origins::Any);
    assert_eq!(origins("--origin http://a --origin same"), websocket::handshake::Origins::Same);
    let size = "it takes 125 to 67108864 bytes, such as 65536, 64KiB or 1MiB";
    assert_bad!(websocket,
        "--max-frame 124" => format!("--max-frame 124: {size}"),
        "--max-message 65MiB" => format!("--max-message 65MiB: {size}"),
        "--origin=" => "--origin : it takes same, any, or a site",
        "--ping 0s" => "--ping 0s: it takes a duration above zero, such as 500ms, 30s, 2m or 1h",
        "--udp 127.0.0.1:0" => "there is no option --udp",
    );
}
