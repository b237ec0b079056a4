//! Kernels that lack what is newer than the oldest one supported, and sandboxes that forbid it: a
//! seccomp filter makes these calls fail as such a kernel does, from the start of a process.
//!
//! The table in `docs/platforms.md` has a row for each of [`KERNELS`], by its name.

#![allow(unsafe_code)] // prctl() and seccomp()

use std::{env, fs, io, mem::offset_of, path::Path, process::Command};

use futures_util::future::try_join;
use qio::{Access, ChannelCommand, ChannelFile, ChannelSocket, Feature, WriteFlags, prelude::*};

use crate::journeys::{JOURNEYS, Journey, loopback, run};

const KERNEL: &str = "QIO_TEST_KERNEL";
const JOURNEY: &str = "QIO_TEST_JOURNEY";

/// A system call that fails, for one value of an argument or for all.
struct Absent {
    call: libc::c_long,
    argument: Option<(u32, i32)>,
    errno: i32,
}

const fn call(call: libc::c_long) -> Absent {
    Absent {
        call,
        argument: None,
        errno: libc::ENOSYS,
    }
}

/// A socket option, for getsockopt() and setsockopt().
const fn option(name: i32) -> [Absent; 2] {
    [
        value(libc::SYS_getsockopt, 2, name, libc::ENOPROTOOPT),
        value(libc::SYS_setsockopt, 2, name, libc::ENOPROTOOPT),
    ]
}

/// A flag, or the kind of what is waited for.
const fn value(call: libc::c_long, index: u32, value: i32, errno: i32) -> Absent {
    Absent {
        call,
        argument: Some((index, value)),
        errno,
    }
}

/// What a kernel lacks: the name in the table, and what fails there.
const KERNELS: [(&str, &[Absent]); 7] = [
    (
        "pidfd_open",
        &[
            call(libc::SYS_pidfd_open),
            call(libc::SYS_pidfd_send_signal),
            WAITID_PIDFD,
        ],
    ),
    ("P_PIDFD", &[WAITID_PIDFD]),
    ("SO_PEERPIDFD", &option(libc::SO_PEERPIDFD)),
    ("MSG_ZEROCOPY", &option(libc::SO_ZEROCOPY)),
    (
        "RWF_NOWAIT",
        &[
            value(libc::SYS_preadv2, 5, libc::RWF_NOWAIT, libc::EOPNOTSUPP),
            value(libc::SYS_pwritev2, 5, libc::RWF_NOWAIT, libc::EOPNOTSUPP),
        ],
    ),
    ("membarrier", &[call(libc::SYS_membarrier)]),
    (
        "copy_file_range",
        &[Absent {
            call: libc::SYS_copy_file_range,
            argument: None,
            errno: libc::EXDEV,
        }],
    ),
];

const WAITID_PIDFD: Absent = value(libc::SYS_waitid, 0, libc::P_PIDFD as i32, libc::EINVAL);

/// What else is done on them.
const MORE: [(&str, Journey); 3] = [("exits", exits), ("files", files), ("options", options)];

/// Makes the calls fail, in all threads of this process and in its children.
#[cfg(target_endian = "little")]
fn install(absent: &[Absent]) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let number = step(LOAD, offset_of!(libc::seccomp_data, nr) as u32, 0, 0);
    let mut program = vec![number];
    for each in absent {
        let fail = step(RETURN, libc::SECCOMP_RET_ERRNO | each.errno as u32, 0, 0);
        let is_call = |skipped| step(IF_EQUAL, each.call as u32, 0, skipped);
        match each.argument {
            None => program.extend([is_call(1), fail]),
            Some((index, value)) => {
                let argument = offset_of!(libc::seccomp_data, args) as u32 + 8 * index;
                let argument = step(LOAD, argument, 0, 0);
                let is_value = step(IF_EQUAL, value as u32, 0, 1);
                program.extend([is_call(4), argument, is_value, fail, number]);
            }
        }
    }
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives the calls, and has this many steps.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_TSYNC,
                &raw const filter,
            ) == 0
    };
    assert!(installed, "seccomp: {}", io::Error::last_os_error());
}

#[test]
#[ignore = "a part of the tests of fallbacks"]
fn on_a_kernel() {
    let (Ok(kernel), Ok(journey)) = (env::var(KERNEL), env::var(JOURNEY)) else {
        return;
    };
    let (_, absent) = KERNELS.iter().find(|(it, _)| *it == kernel).expect("known");
    let mut all = JOURNEYS.iter().chain(&MORE);
    let (_, journey) = all.find(|(it, _)| *it == journey).expect("known");
    install(absent);
    journey().expect("it succeeds");
    println!("outcome: success");
}

/// Runs all journeys on a kernel, each in a separate process.
fn assert_all_succeed_without(kernel: &str) {
    for (journey, _) in JOURNEYS.iter().chain(&MORE) {
        let output = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "kernel::on_a_kernel", "--ignored", "--nocapture"])
            .env(KERNEL, kernel)
            .env(JOURNEY, journey)
            .output()
            .expect("this program runs");
        let (text, errors) = (&output.stdout, &output.stderr);
        let text = String::from_utf8_lossy(text) + String::from_utf8_lossy(errors);
        let succeeds = output.status.success() && text.contains("outcome: success");
        assert!(succeeds, "{journey} without {kernel}: {text}");
    }
}

#[test]
fn commands_are_watched_by_a_thread_where_the_kernel_has_no_pidfd() {
    assert_all_succeed_without("pidfd_open");
}

#[test]
fn commands_are_watched_by_a_thread_where_waitid_takes_no_pidfd() {
    assert_all_succeed_without("P_PIDFD");
}

#[test]
fn peer_pidfd_is_not_supported_where_the_kernel_has_no_so_peerpidfd() {
    assert_all_succeed_without("SO_PEERPIDFD");
}

#[test]
fn zero_copy_is_no_feature_where_the_kernel_has_no_so_zerocopy() {
    assert_all_succeed_without("MSG_ZEROCOPY");
}

#[test]
fn files_are_read_and_written_where_the_kernel_has_no_rwf_nowait() {
    assert_all_succeed_without("RWF_NOWAIT");
}

#[test]
fn descriptors_are_protected_where_the_kernel_has_no_membarrier() {
    assert_all_succeed_without("membarrier");
}

#[test]
fn files_are_copied_through_a_buffer_where_copy_file_range_does_not() {
    assert_all_succeed_without("copy_file_range");
}

/// The table, and the calls by number: those that the C library may not have are the newest ones.
#[test]
fn the_documentation_has_every_system_call_and_option_with_a_fallback() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/platforms.md")).expect("readable");
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for (name, _) in KERNELS {
        let has_row = rows.iter().any(|row| row.contains(&format!("`{name}`")));
        assert!(has_row, "{name} in docs/platforms.md");
    }
    let mut files = Vec::new();
    walk(&root.join("src"), &mut files);
    for file in files {
        let code = fs::read_to_string(&file).expect("readable");
        for part in code.split("libc::SYS_").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &part[..end.expect("code follows")];
            let has_row = rows.iter().any(|row| row.contains(&format!("`{name}`")));
            assert!(has_row, "{name} of {} in docs/platforms.md", file.display());
        }
    }
}

fn walk(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_absent(name: &str) -> bool {
    env::var(KERNEL).is_ok_and(|kernel| kernel == name)
}

/// A command that ends, and one that is killed.
fn exits() -> io::Result<()> {
    let ends = ChannelCommand::new_spawn(["sh", "-c", "exit 3"], Access::Read)?;
    assert_eq!(ends.wait_exit()?.code(), Some(3));
    let killed = ChannelCommand::new_spawn(["sleep", "60"], Access::Read)?;
    assert!(killed.exit_status()?.is_none(), "it runs");
    killed.kill()?;
    run(async {
        let status = killed.wait_exit_future().await?;
        assert!(!status.success());
        Ok(())
    })
}

/// From a file on disk to another one, and to a connection.
fn files() -> io::Result<()> {
    let content: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8).collect();
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::write(&from, &content)?;
    let (a, b) = (ChannelFile::open(&from)?, ChannelFile::create(&to)?);
    run(async { a.splice_to_future(&b, None).await.map(drop) })?;
    assert!(fs::read(&to)? == content);
    let (a, (near, far)) = (ChannelFile::open(&from)?, ChannelSocket::pair()?);
    for end in [&near, &far] {
        end.set_blocking(false)?;
    }
    let mut got = vec![0; content.len()];
    run(async {
        let ends = try_join(
            a.splice_to_future(&near, None),
            far.read_all_future(&mut got),
        );
        ends.await.map(drop)
    })?;
    assert!(got == content);
    let (a, b) = (ChannelFile::open(&from)?, ChannelFile::create(&to)?);
    run(async {
        let mut got = vec![0; content.len()];
        a.read_all_future(&mut got).await?;
        b.write_all_future(&got).await
    })?;
    assert!(fs::read(&to)? == content);
    Ok(())
}

/// Options of sockets: either they work, or the error names what is missing.
fn options() -> io::Result<()> {
    let (unix, _peer) = ChannelSocket::pair()?;
    match unix.peer_pidfd() {
        Err(e) => {
            assert!(is_absent("SO_PEERPIDFD") || !has_peer_pidfd()?, "{e}");
            assert_eq!(e.kind(), io::ErrorKind::Unsupported);
            assert!(e.to_string().contains("SO_PEERPIDFD"), "{e}");
        }
        Ok(_) => assert!(!is_absent("SO_PEERPIDFD")),
    }
    let listener = ChannelSocket::listen(&loopback(), 4)?;
    let client = ChannelSocket::connect(&listener.local_address()?)?;
    let server = listener.accept()?;
    let has_zero_copy = client.has_feature(Feature::WRITE_ZERO_COPY);
    assert_eq!(has_zero_copy, !is_absent("MSG_ZEROCOPY"));
    let flags = WriteFlags::ZERO_COPY;
    let bytes = glib::Bytes::from_static(b"hello");
    match client.write_bytes_full_all(&bytes, &[], flags) {
        Err(e) => {
            assert!(!has_zero_copy, "{e}");
            assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
        }
        Ok(()) => {
            assert!(has_zero_copy);
            server.read_all(&mut [0; 5])?;
            client.flush()?;
        }
    }
    Ok(())
}

/// Whether the kernel that runs this test has the option.
fn has_peer_pidfd() -> io::Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    Ok((numbers.next(), numbers.next()) >= (Some(6), Some(5)))
}
