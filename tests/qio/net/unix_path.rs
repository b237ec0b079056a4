//! Unix socket paths: mode, owner, and stale sockets.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::PathBuf,
    thread,
};

use nix::unistd::{getegid, geteuid};
use qio::{NetAddress, NetListener};

use super::*;
use crate::common::{
    alone::{is_alone, rerun},
    in_loop, in_time,
};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    (folder, path)
}

/// What a program leaves behind that was killed.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).expect("bound"));
    assert!(path.exists());
}

fn replacing() -> NetListener {
    let listener = NetListener::new();
    listener.set_replace_stale(true);
    assert!(listener.replaces_stale());
    listener
}

#[test]
fn a_path_gets_the_requested_mode_and_owner() {
    let (_folder, path) = folder();
    let listener = NetListener::new();
    assert_eq!(listener.path_mode(), None);
    assert_eq!(listener.property::<u32>("path-mode"), u32::MAX);
    for mode in [0o600, 0o666, 0o777] {
        listener.set_path_mode(Some(mode));
        listener.open_sync(&unix(&path), 4).expect("listens");
        let there = fs::metadata(&path).expect("there");
        assert_eq!(there.permissions().mode() & 0o7777, mode);
        listener.disconnect();
    }
    listener.set_path_mode(None);
    if !geteuid().is_root() {
        return skip("only root gives files away");
    }
    listener.set_path_owner(Some(12_345), None);
    listener.open_sync(&unix(&path), 4).expect("listens");
    let there = fs::metadata(&path).expect("there");
    assert_eq!((there.uid(), there.gid()), (12_345, getegid().as_raw()));
    listener.disconnect();
    assert!(!path.exists());
}

#[test]
fn an_owner_without_permission_is_an_error_that_leaves_no_file() {
    const NAME: &str =
        "net::unix_path::an_owner_without_permission_is_an_error_that_leaves_no_file";
    const FOLDER: &str = "QIO_TEST_FOLDER";
    if !is_alone() {
        let (folder, _) = folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("set");
        let output = rerun(NAME, |command| command.env(FOLDER, folder.path()));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert_eq!(fs::read_dir(folder.path()).expect("open").count(), 0);
        return;
    }
    if geteuid().is_root() {
        // A user without CAP_CHOWN.
        nix::unistd::setuid(65_534.into()).expect("root may");
    }
    let path = PathBuf::from(std::env::var_os(FOLDER).expect("set")).join("socket");
    let listener = NetListener::new();
    listener.set_path_owner(Some(0), None);
    let e = listener.open_sync(&unix(&path), 4).expect_err("forbidden");
    let expected = format!(
        "Unable to listen on {}: Operation not permitted",
        path.display()
    );
    assert_eq!(e.to_string(), expected);
    assert!(!listener.is_connected());
}

#[test]
fn a_stale_socket_is_replaced_with_replace_stale() {
    let (folder, path) = folder();
    leave_stale(&path);
    let e = NetListener::new()
        .open_sync(&unix(&path), 4)
        .expect_err("in the way");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    assert!(path.exists());

    let listener = replacing();
    listener.open_sync(&unix(&path), 4).expect("replaced");
    let client = connect_to(&unix(&path));
    is_connection(&client, &listener.wait_client().expect("a client"));
    assert_eq!(port_of_path(&listener), path);
    listener.disconnect();
    assert_eq!(fs::read_dir(folder.path()).expect("open").count(), 0);
    // Where nothing is, nothing is in the way.
    listener.open_sync(&unix(&path), 4).expect("listens");
}

fn port_of_path(listener: &NetListener) -> PathBuf {
    let address = listener.local_addresses().remove(0);
    let address = address.downcast::<gio::UnixSocketAddress>().expect("unix");
    match address.path() {
        Some(UnixSocketAddressPath::Path(path)) => path.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_paths_are_replaced_like_others() {
    let folder = tempfile::tempdir().expect("a directory");
    let own = folder.path().as_os_str().len();
    // As many as fit into an address; the temporary name in the same directory is longer.
    for length in 98..=107 {
        let inner = folder.path().join("x".repeat(length - own - 3));
        fs::create_dir(&inner).expect("made");
        let path = inner.join("s");
        assert_eq!(path.as_os_str().len(), length);
        leave_stale(&path);
        let listener = replacing();
        listener.open_sync(&unix(&path), 4).expect("replaced");
        let e = replacing().open_sync(&unix(&path), 4).expect_err("in use");
        assert_eq!(e.kind(), ErrorKind::AddrInUse);
        drop(listener.wait_client().expect("the look"));
        let client = connect_to(&unix(&path));
        is_connection(&client, &listener.wait_client().expect("a client"));
        drop(listener);
        assert_eq!(fs::read_dir(&inner).expect("open").count(), 0);
    }
}

#[test]
fn a_socket_that_another_thread_listens_on_stays() {
    let (_folder, path) = folder();
    let living = UnixListener::bind(&path).expect("bound");
    let e = replacing().open_sync(&unix(&path), 4).expect_err("in use");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    let expected = format!(
        "Unable to replace {}: Address already in use by a live listener",
        path.display()
    );
    assert_eq!(e.to_string(), expected);
    // The one that looked, and another one.
    drop(living.accept().expect("the look"));
    let _client = UnixStream::connect(&path).expect("it answers");
    living.accept().expect("a client");
}

#[test]
fn a_socket_whose_backlog_is_full_stays() {
    let (_folder, path) = folder();
    let living = ChannelSocket::listen(&unix(&path), 0).expect("listens");
    let _first = connect_to(&unix(&path));
    let e = in_time({
        let address = unix(&path);
        move || replacing().open_sync(&address, 4).expect_err("in use")
    });
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    living.accept().expect("still there");
}

#[test]
fn a_socket_of_another_kind_stays() {
    let (_folder, path) = folder();
    let living = UnixDatagram::bind(&path).expect("bound");
    let e = replacing().open_sync(&unix(&path), 4).expect_err("in use");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.send_to(b"x", &path).expect("still there");
    living.recv(&mut [0]).expect("it answers");
}

#[test]
fn a_file_that_is_not_a_socket_stays() {
    let (folder, path) = folder();
    let target = folder.path().join("target");
    leave_stale(&target);
    let makers: [fn(&Path, &Path); 4] = [
        |path, _| fs::write(path, "a file").expect("written"),
        |path, _| fs::create_dir(path).expect("made"),
        |path, target| std::os::unix::fs::symlink(target, path).expect("linked"),
        |path, _| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("made"),
    ];
    for make in makers {
        make(&path, &target);
        let before = fs::symlink_metadata(&path).expect("there").ino();
        let e = replacing()
            .open_sync(&unix(&path), 4)
            .expect_err("in the way");
        assert_eq!(e.kind(), ErrorKind::AlreadyExists, "{e}");
        assert!(e.to_string().ends_with("The file is not a socket"), "{e}");
        assert_eq!(fs::symlink_metadata(&path).expect("there").ino(), before);
        if path.is_dir() {
            fs::remove_dir(&path).expect("removed");
        } else {
            fs::remove_file(&path).expect("removed");
        }
    }
    assert!(target.exists());
}

#[test]
fn one_of_many_processes_replaces_a_stale_socket() {
    for _ in 0..30 {
        let (folder, path) = folder();
        leave_stale(&path);
        let winners: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let listener = replacing();
                        listener.open_sync(&unix(&path), 16).map(|()| listener)
                    })
                })
                .collect();
            let results = threads.into_iter().map(|it| it.join().expect("no panic"));
            results.filter_map(Result::ok).collect()
        });
        assert_eq!(winners.len(), 1);
        let client = connect_to(&unix(&path));
        in_time({
            let winner = winners[0].clone();
            move || {
                // The connection attempts of the checks are in the backlog as well.
                let wanted = client;
                wanted.write_all(b"x").expect("written");
                while winner
                    .wait_client()
                    .expect("a client")
                    .read(&mut [0])
                    .expect("read")
                    == 0
                {}
            }
        });
        drop(winners);
        assert_eq!(fs::read_dir(folder.path()).expect("open").count(), 0);
    }
}

/// The lock that this user's processes have while they replace the socket at a path.
fn lock_on(path: &Path) -> (PathBuf, fs::File) {
    let path = path.with_file_name(".socket.lock");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(&path).expect("open");
    lock.lock().expect("locked");
    (path, lock)
}

#[test]
fn locks_of_other_users_do_not_block_it() {
    let (folder, path) = folder();
    let own_uid = geteuid().as_raw();
    let on_folder = fs::File::open(folder.path()).expect("open");
    on_folder.lock().expect("locked");
    leave_stale(&path);
    replacing().open_sync(&unix(&path), 4).expect("replaced");

    let lock = path.with_file_name(".socket.lock");
    let others: [&dyn Fn(); 4] = [
        &|| {
            // Another user can open it, and may have done so.
            let file = fs::File::create(&lock).expect("made");
            let mode = fs::Permissions::from_mode(0o644);
            file.set_permissions(mode).expect("set");
            file.lock().expect("locked");
            // Until the end of the process.
            std::mem::forget(file);
        },
        &|| {
            let file = fs::File::create(&lock).expect("made");
            let mode = fs::Permissions::from_mode(0o600);
            file.set_permissions(mode).expect("set");
            file.lock().expect("locked");
            if own_uid == 0 {
                std::os::unix::fs::chown(&lock, Some(12_345), None).expect("root may");
            } else {
                fs::remove_file(&lock).expect("removed");
            }
            std::mem::forget(file);
        },
        &|| nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).expect("made"),
        &|| std::os::unix::fs::symlink(folder.path(), &lock).expect("linked"),
    ];
    for make in others {
        make();
        leave_stale(&path);
        let listener = replacing();
        listener.open_sync(&unix(&path), 4).expect("replaced");
        drop(listener);
        // It is not this user's to remove.
        let _ = fs::remove_file(&lock);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("open").count(), 0);
}

#[test]
fn a_lock_that_stays_held_by_this_user_is_an_error() {
    let (_folder, path) = folder();
    let (file, lock) = lock_on(&path);
    let e = replacing().open_sync(&unix(&path), 4).expect_err("locked");
    let expected = format!(
        "Unable to replace {}: Another process of this user is replacing it",
        path.display()
    );
    assert_eq!(e.to_string(), expected);
    let e = qio::to_glib_error(&e);
    assert!(e.matches(gio::IOErrorEnum::Busy), "{e}");
    drop(lock);
    let listener = replacing();
    listener.open_sync(&unix(&path), 4).expect("free again");
    assert!(!file.exists());
}

#[test]
fn waiting_for_a_lock_does_not_block_the_loop() {
    in_loop(|context| {
        for as_text in [false, true] {
            let (_folder, path) = folder();
            let (_, lock) = lock_on(&path);
            let listener = replacing();
            context.block_on(async {
                let opening = listener.clone();
                let task = qio::spawn_local(async move {
                    if as_text {
                        let address = NetAddress::unix(&path).expect("a path");
                        return opening.open_address_future(&address, 4).await;
                    }
                    opening.open_future(&unix(&path), 4).await
                });
                // Runs while the other one waits, or it would fail.
                qio::spawn_local(async move { drop(lock) })
                    .await
                    .expect("no panic");
                task.await.expect("no panic").expect("listens");
            });
        }
    });
}
