//! The examples do what they show: they are run here as they stand.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::serving::{post, until};
use crate::world::payload;

#[path = "../../examples/embed_axum.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program, and its `main` is not run here")]
mod embed_axum;

#[path = "../../examples/pathors_receiver.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program, and its `main` is not run here")]
mod pathors_receiver;

const TIME: &str = "2026-05-03T08:42:11.512Z";
const SECRET: [(&str, &str); 1] = [("x-webhook-secret", "s3cret")];

/// Runs an example of this name beside what is done to it by its address.
fn beside<F, R>(start: F, act: impl FnOnce(&str))
where
    F: FnOnce(String, TcpListener, oneshot::Receiver<()>) -> R + Send + 'static,
    R: Future<Output = ()>,
{
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").display().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let example = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            start(store, listener, stopped).await;
        });
    });
    act(&format!("http://{}", told.recv().unwrap()));
    stop.send(()).unwrap();
    example.join().unwrap();
}

#[test]
fn finis_is_mounted_in_an_axum_application() {
    let start = |store: String, listener, stopped| async move {
        let stopped: oneshot::Receiver<()> = stopped;
        let stop = async { drop(stopped.await) };
        embed_axum::run(&store, "s3cret", listener, stop).await.unwrap();
    };
    beside(start, |url| {
        let hook = format!("{url}/webhooks/hooks/pathors");
        assert_eq!(post(&hook, &[], &payload('E', "s-1", TIME)).unwrap().0, 401);
        for kind in ['E', 'T', 'E'] {
            assert_eq!(post(&hook, &SECRET, &payload(kind, "s-1", TIME)).unwrap().0, 200);
        }
        let ended = || {
            let mut response = ureq::get(format!("{url}/ended")).call().unwrap();
            response.body_mut().read_to_string().unwrap()
        };
        until("the application to hear of it", || (!ended().is_empty()).then_some(()));
        assert_eq!(ended(), "complete s-1");
    });
}

#[test]
fn a_receiver_of_pathors_does_its_work_once_for_each_session() {
    let done: Arc<Mutex<Vec<String>>> = Arc::default();
    let work = {
        let done = Arc::clone(&done);
        move |line| done.lock().unwrap().push(line)
    };
    let start = move |store: String, listener, stopped| async move {
        let stopped: oneshot::Receiver<()> = stopped;
        let stop = async { drop(stopped.await) };
        pathors_receiver::run(&store, "s3cret", listener, stop, work).await.unwrap();
    };
    beside(start, |url| {
        let hook = format!("{url}/hooks/pathors-webhook");
        // In whatever order, and however often.
        for (kind, session) in
            [('F', "call"), ('T', "text"), ('R', "call"), ('E', "call"), ('E', "text"), ('F', "call"), ('C', "call")]
        {
            assert_eq!(post(&hook, &SECRET, &payload(kind, session, TIME)).unwrap().0, 200);
        }
        assert_eq!(post(&hook, &SECRET, &payload('G', "call", "2026-05-03T08:42:15Z")).unwrap().0, 200);
        until("all of the work", || (done.lock().unwrap().len() >= 4).then_some(()));
    });
    let mut done = done.lock().unwrap().clone();
    done.sort();
    assert_eq!(done.len(), 4, "{done:#?}");
    assert!(done[0].starts_with(r#"call call: "userHangup", 78 s"#), "{done:#?}");
    assert!(done[1].starts_with("changed call: ") && done[1].contains("fields.call_status"), "{done:#?}");
    assert_eq!(done[2..], ["recording call", "text text: 8 messages"]);
}
