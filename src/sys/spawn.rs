//! Spawning programs.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr, OsString, c_char, c_int},
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    ptr,
};

use nix::{errno::Errno, fcntl::FcntlArg, unistd::AccessFlags};

use super::retry;

/// A program to be started.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its name, which is searched in the `PATH` of its environment, and its arguments.
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) directory: Option<PathBuf>,
    /// Its descriptors, by their numbers in the program. Others than these and the standard ones
    /// are closed if they are close-on-exec.
    pub(crate) fds: BTreeMap<RawFd, OwnedFd>,
}

impl Program {
    /// Starts the program, with an empty signal mask and the default action for `SIGPIPE`, whatever
    /// this thread and this process have: few programs set them, and most rely on them. Returns the
    /// pid.
    pub(crate) fn spawn(&self) -> io::Result<u32> {
        let path = self.find()?;
        let argv = strings(self.argv.iter().cloned())?;
        let env = strings(self.env.iter().map(|(name, value)| {
            let mut setting = name.clone();
            setting.push("=");
            setting.push(value);
            setting
        }))?;
        let mut actions = FileActions::new()?;
        if let Some(directory) = &self.directory {
            actions.add_directory(directory)?;
        }
        let _sources = self.add_fds(&mut actions)?;
        let attributes = Attributes::new()?;
        let (argv, env) = (pointers(&argv), pointers(&env));
        let mut pid = 0;
        // SAFETY: both lists end in NULL and live through the call, as do their strings.
        retry(|| unsafe {
            check(libc::posix_spawn(
                &mut pid,
                path.as_ptr(),
                &actions.0,
                &attributes.0,
                argv.as_ptr(),
                env.as_ptr(),
            ))
        })?;
        Ok(pid.cast_unsigned())
    }

    /// Descriptors that could be overwritten before they are duplicated are moved to higher
    /// numbers, which must be kept open until the program has started.
    fn add_fds(&self, actions: &mut FileActions) -> io::Result<Vec<OwnedFd>> {
        let mut moved = Vec::new();
        let highest = self.fds.keys().next_back().copied().unwrap_or_default();
        for (&target, source) in &self.fds {
            let mut number = source.as_raw_fd();
            if number <= highest {
                let copy = duplicate_above(source, highest)?;
                number = copy.as_raw_fd();
                moved.push(copy);
            }
            actions.add_fd(number, target)?;
        }
        Ok(moved)
    }

    /// The path of the program.
    fn find(&self) -> io::Result<CString> {
        let name = self.argv.first().map(OsString::as_os_str);
        let name = name.unwrap_or_default();
        if name.as_bytes().contains(&b'/') {
            return c_string(name.to_owned());
        }
        let default = OsStr::new("/bin:/usr/bin");
        let path = self.env.get(OsStr::new("PATH"));
        let mut failure = Errno::ENOENT;
        for folder in std::env::split_paths(path.map_or(default, OsString::as_os_str)) {
            let candidate = match folder.as_os_str().is_empty() {
                // Without a slash `PATH` would be searched again.
                true => Path::new(".").join(name),
                false => folder.join(name),
            };
            // A relative directory in `PATH` is relative to the directory that the program starts
            // in.
            let there = match &self.directory {
                Some(directory) => directory.join(&candidate),
                None => candidate.clone(),
            };
            if name.is_empty() || !there.is_file() {
                continue;
            }
            match retry(|| nix::unistd::eaccess(&there, AccessFlags::X_OK)) {
                Ok(()) => return c_string(candidate.into()),
                Err(e) => failure = e,
            }
        }
        Err(failure.into())
    }
}

/// A duplicate, close-on-exec, with a number above `highest`.
fn duplicate_above(fd: &OwnedFd, highest: RawFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let lowest = highest.saturating_add(1);
    let number = retry(|| nix::fcntl::fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(lowest)))?;
    // SAFETY: the call has created the descriptor, which has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn c_string(text: OsString) -> io::Result<CString> {
    // The error is a NUL byte in the string.
    Ok(CString::new(text.into_vec())?)
}

fn strings(list: impl Iterator<Item = OsString>) -> io::Result<Vec<CString>> {
    list.map(c_string).collect()
}

/// A C array that ends in NULL, valid as long as the strings are.
fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr().cast_mut());
    pointers.chain([ptr::null_mut()]).collect()
}

/// These functions return what others store in `errno`.
fn check(result: c_int) -> Result<(), Errno> {
    match result {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// The actions of the child before the program runs.
struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initializes the struct if it succeeds.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Self(actions.assume_init()))
        }
    }

    fn add_directory(&mut self, directory: &Path) -> io::Result<()> {
        let path = c_string(directory.into())?;
        let add = libc::posix_spawn_file_actions_addchdir_np;
        // SAFETY: `new` has initialized the struct; the call copies the path.
        Ok(check(unsafe { add(&mut self.0, path.as_ptr()) })?)
    }

    fn add_fd(&mut self, source: RawFd, target: RawFd) -> io::Result<()> {
        // SAFETY: `new` has initialized the struct.
        let added = unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, source, target) };
        Ok(check(added)?)
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: `new` has initialized the struct, which is not used any more.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// The signal attributes of the child.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the first call initializes the struct if it succeeds.
        let mut this = unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            Self(attributes.assume_init())
        };
        let mut set = MaybeUninit::uninit();
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        // SAFETY: the set is initialized by the first call that gets it, the attributes above; both
        // live through the calls.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(&mut this.0, set.as_ptr()))?;
            libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
            check(libc::posix_spawnattr_setsigdefault(
                &mut this.0,
                set.as_ptr(),
            ))?;
            check(libc::posix_spawnattr_setflags(&mut this.0, flags as _))?;
        }
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: `new` has initialized the struct, which is not used any more.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}
