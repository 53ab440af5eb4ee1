//! Lines are cut, forgotten and narrowed as they should be, and nothing is left.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_millis(500);

/// Two namespaces, the second with somebody who listens.
fn pair() -> Result<(Laboratory, Namespace, Namespace, TcpListener)> {
    let mut laboratory = Laboratory::new()?;
    let (one, other) = (laboratory.add("one")?, laboratory.add("other")?);
    let listener = other.inside(|| Ok(TcpListener::bind("0.0.0.0:80")?))?;
    Ok((laboratory, one, other, listener))
}

fn call(from: &Namespace, to: &Namespace) -> Result<TcpStream> {
    let address = (to.address(), 80).into();
    from.inside(|| Ok(TcpStream::connect_timeout(&address, PATIENCE)?))
}

#[test]
fn a_black_hole_is_silent_and_can_be_closed_again() -> Result<()> {
    let (laboratory, one, other, _listener) = pair()?;
    call(&one, &other)?;
    laboratory.blackhole(&one, &other)?;
    let error = call(&one, &other).err().context("swallowed")?;
    assert!(format!("{error:#}").contains("timed out"), "{error:#}");
    laboratory.unblackhole(&one, &other)?;
    call(&one, &other).map(drop)
}

#[test]
fn a_forgotten_connection_is_dead_while_a_new_one_lives() -> Result<()> {
    let (laboratory, one, other, listener) = pair()?;
    let mut old = call(&one, &other)?;
    let (mut old_there, _) = listener.accept()?;
    old.write_all(b"a")?;
    old_there.read_exact(&mut [0])?;
    assert_eq!(laboratory.forget(&one, &other)?, 1);
    old.write_all(b"b")?;
    old_there.set_read_timeout(Some(PATIENCE))?;
    assert!(old_there.read_exact(&mut [0]).is_err());
    let mut new = call(&one, &other)?;
    let (mut new_there, _) = listener.accept()?;
    new.write_all(b"c")?;
    new_there.read_exact(&mut [0])?;
    Ok(())
}

#[test]
fn a_line_carries_what_it_should() -> Result<()> {
    let (_laboratory, one, other, listener) = pair()?;
    one.limit_rate(8.0)?;
    let mut speaker = call(&one, &other)?;
    let (mut hearer, _) = listener.accept()?;
    std::thread::spawn(move || speaker.write_all(&vec![0; 2_000_000]));
    // What may leave at once is out of the way first.
    hearer.read_exact(&mut vec![0; 500_000])?;
    let began = Instant::now();
    hearer.read_exact(&mut vec![0; 1_000_000])?;
    let seconds = began.elapsed().as_secs_f64();
    assert!((0.9..1.4).contains(&seconds), "{seconds} s for 1 MB");
    Ok(())
}

#[test]
fn nothing_is_left_even_after_a_panic() -> Result<()> {
    let (names, ready) = std::sync::mpsc::sync_channel(1);
    let panicked = std::thread::spawn(move || {
        let (laboratory, one, _other, _listener) = pair().unwrap();
        names
            .send((laboratory.router.0.clone(), one.name.0.clone()))
            .unwrap();
        panic!("as tests do");
    });
    assert!(panicked.join().is_err());
    let (router, one) = ready.recv()?;
    for name in [router, one] {
        assert!(!Path::new(FOLDER).join(name).exists());
    }
    Ok(())
}
