use axum::Router;

use super::*;

/// Has no connections, for so many times, and then one for each that was prepared.
struct Exhausted {
    errors: usize,
    asked: Arc<std::sync::Mutex<Vec<tokio::time::Instant>>>,
}

impl Accept for Exhausted {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let times = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(tokio::time::Instant::now());
            asked.len()
        };
        if times > self.errors {
            return std::future::pending().await;
        }
        // Too many open files.
        Err(io::Error::from_raw_os_error(24))
    }
}

#[tokio::test(start_paused = true)]
async fn without_open_files_it_asks_less_and_less_often() {
    let asked = Arc::default();
    let accept = Exhausted { errors: 10, asked: Arc::clone(&asked) };
    let stop = tokio::time::sleep(Duration::from_secs(60));
    run(accept, Router::new(), Limits::default(), Arc::default(), stop).await.unwrap();
    let asked = asked.lock().unwrap();
    // The last is at the stop.
    assert_eq!(asked.len(), 12);
    let waits: Vec<u128> = asked[..11].windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
}

#[test]
fn a_network_counts_as_one() {
    let counted = |text: &str| counted_as(text.parse().unwrap()).to_string();
    assert_eq!(counted("192.0.2.7"), "192.0.2.7");
    assert_eq!(counted("::ffff:192.0.2.7"), "192.0.2.7");
    assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
}
