//! A virtual screen for tests: an X server that keeps its picture in a file.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    run::{Program, TIMEOUT, folder, tool},
    running::Running,
};

pub(crate) struct Screen {
    /// Removed with the screen.
    _server: Running,
    number: String,
    folder: PathBuf,
}

impl Screen {
    pub(crate) fn start() -> Self {
        static SCREENS: AtomicU32 = AtomicU32::new(0);
        let number = SCREENS.fetch_add(1, Ordering::Relaxed);
        let folder = folder().join(format!("screen-{number}"));
        fs::create_dir_all(&folder).expect("writable");
        let mut server = Program::new(tool("Xvfb", "xvfb"))
            // It chooses a free display number, and prints it once it is ready.
            .args([
                "-displayfd",
                "1",
                "-nolisten",
                "tcp",
                "-screen",
                "0",
                "640x480x24",
                "-fbdir",
            ])
            .arg(&folder)
            .start();
        let number = server.line_after("");
        Self {
            _server: server,
            number,
            folder,
        }
    }

    /// The value of `DISPLAY` for programs.
    pub(crate) fn display(&self) -> String {
        format!(":{}", self.number)
    }

    /// What is on the screen now.
    pub(crate) fn shot(&self) -> Shot {
        Shot::parse(&fs::read(self.folder.join("Xvfb_screen0")).expect("the server keeps it"))
    }

    /// Waits until a picture is as it should be.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Shot) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !is_so(&self.shot()) {
            assert!(Instant::now() < deadline, "it never comes to this: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A picture: red, green and blue of each pixel.
pub(crate) struct Shot {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Shot {
    /// Reads an X window dump, of 32 bits a pixel: a header of big-endian numbers, a table of
    /// colors, then lines.
    fn parse(dump: &[u8]) -> Self {
        let number = |index: usize| {
            let bytes = dump[index * 4..index * 4 + 4].try_into().expect("four");
            u32::from_be_bytes(bytes) as usize
        };
        let (header, width, height) = (number(0), number(4), number(5));
        let (bits_per_pixel, line, colors) = (number(11), number(12), number(19));
        assert_eq!(bits_per_pixel, 32);
        let lines = dump[header + colors * 12..].chunks_exact(line).take(height);
        let pixels = lines
            .flat_map(|line| line.chunks_exact(4).take(width))
            // In native byte order, as the header of the dump has it: X runs on the same machine.
            .map(|pixel| u32::from_ne_bytes(pixel.try_into().expect("four")))
            .map(|pixel| [16, 8, 0].map(|shift| (pixel >> shift) as u8))
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    /// How many pixels have a color.
    pub(crate) fn count(&self, color: [u8; 3]) -> usize {
        self.pixels.iter().filter(|&&pixel| pixel == color).count()
    }

    /// How many colors there are.
    pub(crate) fn colors(&self) -> usize {
        self.pixels.iter().collect::<HashSet<_>>().len()
    }

    /// Saves the picture for people, in a format that most programs read.
    pub(crate) fn save(&self, path: &Path) {
        let mut file = format!("P6 {} {} 255\n", self.width, self.height).into_bytes();
        file.extend(self.pixels.iter().flatten());
        fs::write(path, file).expect("writable");
    }
}
