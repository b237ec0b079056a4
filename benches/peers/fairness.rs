//! What is left to others on the same context while tasks use all of the CPU.

use std::{
    hint,
    time::{Duration, Instant},
};

use glib::{ControlFlow, MainContext, Priority};

use super::{
    futures::{Runtime, start_pair},
    interleaved::percentile,
    on_qio::{Qio, QioIdle},
    sample::{Meter, report},
    sockets::Transport,
};

/// So many ping-pongs are a full load.
const PAIRS: usize = 100;

const WARM_UP: Duration = Duration::from_millis(100);
const MEASURE: Duration = Duration::from_secs(1);

/// The interval of the timer of an application.
pub(crate) const PERIOD: Duration = Duration::from_millis(1);

/// 60 frames a second.
pub(crate) const FRAME: Duration = Duration::from_nanos(16_666_667);

/// How long drawing a frame takes.
const DRAWING: Duration = Duration::from_millis(2);

/// The priority at which GTK redraws.
const REDRAW: i32 = 120;

/// Reports a percentile of the period of a timer, in nanoseconds.
pub(crate) fn timer(percent: usize) {
    Qio::run(move || {
        start_load::<Qio>();
        let (begun, mut last, mut periods) = (Instant::now(), Instant::now(), Vec::new());
        let tick = move || {
            let now = Instant::now();
            if now - begun > WARM_UP {
                periods.push((now - last).as_nanos() as f64);
            }
            if now - begun > WARM_UP + MEASURE {
                report(percentile(&mut periods, percent));
            }
            last = now;
            ControlFlow::Continue
        };
        let source = glib::timeout_source_new(PERIOD, None, Priority::DEFAULT, tick);
        source.attach(Some(&MainContext::ref_thread_default()));
    });
}

/// Reports the mean time from frame to frame, in nanoseconds, while tasks run at a lower
/// priority.
pub(crate) fn redraw() {
    QioIdle::run(|| {
        start_load::<QioIdle>();
        let begun = Instant::now();
        Clock { begun, frames: 0 }.request();
    });
}

fn start_load<R: Runtime>() {
    let meter = Meter::endless();
    for _ in 0..PAIRS {
        start_pair::<R>(Transport::Unix, 1, &meter);
    }
}

/// Draws a frame at each point of a fixed raster, as GTK's frame clock does: a timer to the
/// next point, again after each frame.
#[derive(Clone, Copy)]
struct Clock {
    begun: Instant,
    frames: u32,
}

impl Clock {
    fn request(self) {
        let since = self.begun.elapsed().as_nanos() % FRAME.as_nanos();
        let wait = (FRAME.as_nanos() - since).div_ceil(1_000_000) as u64;
        let draw = move || {
            self.draw();
            ControlFlow::Break
        };
        let priority = Priority::from(REDRAW);
        let source = glib::timeout_source_new(Duration::from_millis(wait), None, priority, draw);
        source.attach(Some(&MainContext::ref_thread_default()));
    }

    fn draw(mut self) {
        let now = Instant::now();
        self.frames += 1;
        if now - self.begun > MEASURE {
            let expected = (now - self.begun).as_nanos() / FRAME.as_nanos();
            let frame = FRAME.as_nanos() as f64;
            report(frame * expected as f64 / f64::from(self.frames));
        }
        while now.elapsed() < DRAWING {
            hint::spin_loop();
        }
        self.request();
    }
}
