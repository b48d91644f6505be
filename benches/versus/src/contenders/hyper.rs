//! hyper as its guide serves: a task for each connection and a service that is a function, on
//! tokio's current-thread runtime.

use std::convert::Infallible;
use std::error::Error;
use std::{io, net};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::page::{PAGE, PAGE_TYPE};
use super::{Contender, Threads, announce};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "hyper",
    about: "hyper on tokio, current-thread runtime; flushes for pipelines",
    protocols: &[Protocol::Http],
    threads: Threads::One,
    serve,
};

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let listener = super::listen_nonblocking()?;
    announce(listener.local_addr()?, protocol);
    let server = runtime.spawn(serve_streams(listener));
    Ok(runtime.block_on(server)??)
}

async fn serve_streams(listener: net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut http = http1::Builder::new();
    // Answers to requests that came together leave together, as those of the others do.
    http.pipeline_flush(true);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(page));
        // A peer that fails is gone, and that is all.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn page(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(PAGE.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PAGE_TYPE));
    Ok(response)
}
