//! A cable between a server and its database that a test can cut and mend.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards TCP connections until it is cut; a cut one closes what is open and whatever comes.
///
/// It runs on threads of its own, so that a test which blocks its runtime does not block the database.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    connections: Vec<TcpStream>,
}

impl Cable {
    /// Lays a cable to `far_end`.
    pub fn to(far_end: SocketAddr) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        // It ends with the test's process; a listener cannot be woken without unsafe code.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A far end that refuses looks like a cut cable: the near end is closed.
                let _ = forward(connection, far_end, &shared);
            }
        });
        Self { address, state }
    }

    /// The near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing passes from now on, and all that was open is closed.
    pub fn cut(&self) {
        let mut state = self.state.lock().expect("no thread panics with this lock");
        state.cut = true;
        for connection in state.connections.drain(..) {
            // One that its own end has closed already is as cut as it can be.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// New connections pass again.
    pub fn mend(&self) {
        self.state
            .lock()
            .expect("no thread panics with this lock")
            .cut = false;
    }
}

fn forward(near: TcpStream, far_end: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut state = state.lock().expect("no thread panics with this lock");
    if state.cut {
        return Ok(());
    }
    let far = TcpStream::connect(far_end)?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
        state.connections.push(stream.try_clone()?);
    }
    carry(near.try_clone()?, far.try_clone()?);
    carry(far, near);
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // Whichever way it ends, the other side must hear of it.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_cut_cable_carries_nothing_until_it_is_mended() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let cable = Cable::to(echo.local_addr().expect("it is bound"));
        thread::spawn(move || {
            for mut stream in echo.incoming().flatten() {
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        let echoes = |stream: &mut TcpStream| {
            let mut byte = [0];
            stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
        };
        let connect = || TcpStream::connect(cable.address()).expect("the cable listens");

        let mut before = connect();
        assert!(echoes(&mut before));
        cable.cut();
        assert!(!echoes(&mut before));
        assert!(!echoes(&mut connect()));
        cable.mend();
        assert!(!echoes(&mut before));
        assert!(echoes(&mut connect()));
    }
}
