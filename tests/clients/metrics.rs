//! The metrics of `middleware`, read over HTTP.

use crate::example::Example;
use crate::tools::{ask, client};

#[test]
fn curl_reads_the_metrics_over_http() {
    let Some(mut curl) = client("curl", "curl") else { return };
    let server = Example::of("middleware", "--tcp 127.0.0.1:0 --metrics 127.0.0.1:0");
    let url = format!("http://{}/metrics", server.metrics_address());
    let text = ask(curl.args(["--silent", "--show-error", "--fail", &url]), b"");
    assert!(text.contains("\nconnections: 1\n"), "{text}");
}
