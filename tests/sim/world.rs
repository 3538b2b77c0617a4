//! One seed: a world from its first record to its last check.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use odometer::cli::settings_of;
use odometer::core::instant::Instant;
use odometer::engine::progress::Progress;
use odometer::runtime::clock::Clock;
use odometer::runtime::ingest::BatchLimits;
use odometer::store::{Identity, StoreOptions};
use tempfile::TempDir;
use uuid::Uuid;

use crate::cases::Dice;
use crate::check::{self, Broken};
use crate::disk::{Disk, End, PowerCut};
use crate::feed::Feed;
use crate::fired::Fired;
use crate::judge::Judge;
use crate::logs::Log;
use crate::machine::{Machine, Site};
use crate::model::Model;
use crate::oracle::Question;

const DAY: i64 = 86_400_000_000;
/// Most steps of a round: what is not written then is left out.
const STEPS_MAX: usize = 120;
/// Most steps in which all of the log must be applied when nothing goes wrong.
const PATIENCE: usize = 10_000;
/// Partitions that a topic grows to.
const PARTITIONS_MAX: usize = 5;

/// What a seed has shown.
#[derive(Debug)]
pub struct Report {
    /// Every step and what the service said after it.
    pub trace: String,
    /// What has gone wrong on purpose.
    pub fired: Fired,
    /// What does not hold.
    pub broken: Option<Broken>,
}

struct World {
    dice: Dice,
    site: Site,
    clock: Arc<AtomicI64>,
    machine: Option<Machine>,
    model: Model,
    feed: Feed,
    acknowledged: Vec<Progress>,
    trace: String,
    fired: Fired,
    judge: Judge,
    _folder: TempDir,
}

/// Lives through a seed. A panic is a finding, too.
pub fn run(seed: u64) -> Report {
    let mut world = World::new(seed);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let broken = match lived {
        Ok(lived) => lived.err(),
        Err(panic) => Some(told(&*panic)),
    };
    let World { trace, mut fired, site, machine, .. } = world;
    drop(machine);
    fired.add(&site.disk.take_fired());
    let (again, out_of_order) = site.events.counts();
    fired.many("a record delivered again", again);
    fired.many("records of partitions out of order", out_of_order);
    Report { trace, fired, broken }
}

fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a word"))
}

/// A folder in memory if there is one: what is synced is synced by the rules of this disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0x51f0);
        let folder = folder();
        let path = folder.path().join("data");
        let slots = *dice.pick(&[1_u8, 2, 3, 5]);
        let workers = *dice.pick(&["1", "2", "2"]);
        let groups = *dice.pick(&["2", "10000", "10000"]);
        let settings = settings_of(&[
            ("store.path", path.to_str().unwrap()),
            ("fold.worker_threads", workers),
            ("limits.groups_soft_max", groups),
        ]);
        let clock = Arc::new(AtomicI64::new(0));
        let options = StoreOptions {
            slots,
            cache_bytes: 8 << 20,
            memtable_bytes: 8 << 20,
            background_jobs: 1,
            opening_threads: 1,
            wal_bytes_max: 256 << 10,
            open_files_max: 64,
            redelivered: true,
            identity: Some(Identity {
                slots,
                store_id: Uuid::from_u128(1),
                hash_secret: u128::from(seed).to_le_bytes(),
            }),
            ..StoreOptions::default()
        };
        let site = Site {
            disk: Arc::new(Disk::new(path)),
            settings: settings.unwrap(),
            options,
            clock: Clock::Manual(Arc::clone(&clock)),
            events: Log::default(),
            catalogue: Log::default(),
            ids_bytes_max: *dice.pick(&[0, 400, 1 << 20]),
            batch: BatchLimits { events_max: *dice.pick(&[1, 4, 1000]), bytes_max: 1 << 20 },
            sent: std::sync::Mutex::default(),
        };
        site.catalogue.grow();
        for _ in 0..=dice.below(3) {
            site.events.grow();
        }
        let count = 1 + dice.below(2) as u64;
        let feed = Feed::new(&mut dice, count);
        let model = Model::new(u16::from(slots), feed.names.clone());
        Self {
            dice,
            site,
            clock,
            machine: None,
            model,
            feed,
            acknowledged: Vec::new(),
            trace: String::new(),
            fired: Fired::default(),
            judge: Judge::default(),
            _folder: folder,
        }
    }

    fn machine(&mut self) -> &mut Machine {
        self.machine.as_mut().expect("a running machine")
    }

    fn live(&mut self) -> Result<(), Broken> {
        self.clock.store(self.feed.now(0), Ordering::SeqCst);
        self.machine = Some(self.site.start(&mut self.dice));
        let mut round = 0;
        while self.feed.begin(round, &mut self.dice) {
            round += 1;
            for _ in 0..STEPS_MAX {
                if self.feed.is_done() && self.dice.percent(20) {
                    break;
                }
                self.survive(Self::step)?;
            }
            while !self.feed.is_done() {
                self.write();
            }
            if self.dice.percent(50) {
                self.survive(Self::settle)?;
            }
        }
        while !self.survive(Self::everything)? {}
        self.survive(|world| world.site.disk.cut_now(false))?;
        while !self.survive(Self::everything)? {}
        let board = &self.machine.as_ref().expect("a running machine").shared.board;
        let replaced = (0..self.site.options.slots).map(|slot| board.slot(slot).counters.replaced);
        let first = "a copy that comes first and is read later";
        self.fired.many(first, replaced.sum());
        Ok(())
    }

    /// Does something, and starts again if the power is cut meanwhile. Returns whether it was
    /// done to the end.
    fn survive(&mut self, act: fn(&mut Self) -> Result<(), Broken>) -> Result<bool, Broken> {
        let payload = match catch_unwind(AssertUnwindSafe(|| act(self))) {
            Ok(done) => return done.map(|()| true),
            Err(payload) => payload,
        };
        if !payload.is::<PowerCut>() {
            resume_unwind(payload);
        }
        if self.machine.as_ref().is_some_and(|machine| !machine.is_back()) {
            self.fired.note("a crash during recovery");
        }
        self.machine = None;
        self.site.disk.settle();
        self.machine = Some(self.site.start(&mut self.dice));
        let durable = self.machine().durable();
        let _ = writeln!(self.trace, "cut, back at {durable:?}");
        check::kept(&self.acknowledged, &durable)?;
        let machine = self.machine.as_ref().expect("a running machine");
        check::refused(machine, &self.model, &self.site)?;
        check::verified(machine, &self.site)?;
        Ok(false)
    }

    /// One step, and what must hold after it.
    fn step(&mut self) -> Result<(), Broken> {
        let workers = self.machine().workers();
        let worker = self.dice.below(workers);
        let slot = u8::try_from(self.dice.below(usize::from(self.site.options.slots))).unwrap();
        let name = self.act(worker, slot);
        self.note(name);
        let machine = self.machine.as_ref().expect("a running machine");
        check::conserved(machine, &self.model, &self.feed)?;
        let Self { machine, model, feed, fired, judge, .. } = self;
        let machine = machine.as_mut().expect("a running machine");
        judge.judge(machine, (model, feed), fired)?;
        let chance = if self.machine().is_back() { 30 } else { 6 };
        if self.dice.percent(chance) { self.ask() } else { Ok(()) }
    }

    /// Does what the dice say. Returns its name.
    fn act(&mut self, worker: usize, slot: u8) -> &'static str {
        if !self.machine().is_back() && self.dice.percent(40) {
            self.machine().recover(worker);
            return "recover";
        }
        if !self.machine().reads_events() && self.dice.percent(50) {
            self.begin_to_read();
            return "begin to read";
        }
        match self.dice.below(100) {
            0..25 => {
                for _ in 0..=self.dice.below(6) {
                    self.write();
                }
                "write"
            }
            25..43 => {
                self.machine().read();
                "read"
            }
            43..62 => {
                self.machine().fold(worker);
                "fold"
            }
            62..66 => {
                self.machine().obey(worker);
                "obey"
            }
            66..70 => {
                if self.machine().reads_events() {
                    self.machine().read_catalogue();
                }
                "read the catalogue"
            }
            70..78 => {
                self.checkpoint();
                "checkpoint"
            }
            78..83 => {
                self.machine().compact();
                "compact"
            }
            83..85 => {
                self.machine().merge(slot);
                "merge"
            }
            85..88 => {
                self.put_in_order();
                "put in order"
            }
            88 => {
                let Self { machine, site, .. } = self;
                machine.as_mut().expect("a running machine").send(site);
                "send"
            }
            89 => {
                self.machine().sweep(slot);
                "sweep"
            }
            90 => {
                self.machine().scan();
                "scan"
            }
            91..93 => {
                self.turn_clock();
                "clock"
            }
            93 => {
                self.grow();
                "grow"
            }
            94..98 => {
                self.arm();
                "arm"
            }
            _ => {
                let process_alone = self.dice.percent(30);
                self.site.disk.cut_now(process_alone)
            }
        }
    }

    fn note(&mut self, name: &str) {
        let machine = self.machine.as_ref().expect("a running machine");
        let _ = write!(self.trace, "{name}:");
        for slot in 0..self.site.options.slots {
            let view = machine.shared.board.slot(slot);
            let list = view.counters.to_list();
            let _ = write!(self.trace, " {} {list:?} {:x}", view.ready, view.digest.0);
        }
        self.trace.push('\n');
    }

    fn write(&mut self) {
        let logs = (&self.site.events, &self.site.catalogue);
        let now = self.clock.load(Ordering::SeqCst);
        self.feed.write(&mut self.dice, logs, now, &mut self.model, &mut self.fired);
    }

    /// Reads the catalogue, and the events once that is at its end.
    fn begin_to_read(&mut self) {
        let Self { machine, site, dice, model, .. } = self;
        let machine = machine.as_mut().expect("a running machine");
        if machine.shared.catalogue.version() < u64::try_from(site.catalogue.end(0)).unwrap() {
            machine.read_catalogue();
        } else {
            machine.read_events(site, dice);
            let found = machine.shared.sources.find(crate::machine::EVENTS, 0);
            model.label = found.expect("the topic").topic();
        }
    }

    fn checkpoint(&mut self) {
        let slots = self.site.options.slots;
        let ids = self.dice.percent(50);
        let totals: Vec<u8> = (0..slots).filter(|_| self.dice.percent(40)).collect();
        // Some workers are further than others.
        for worker in 0..self.machine().workers() {
            for _ in 0..self.dice.below(3) {
                self.machine().fold(worker);
            }
        }
        self.acknowledged = self.machine().checkpoint(ids, &totals);
    }

    /// Brings in all that may be, and merges it. Merges are short of nothing then, so that is where
    /// the power is cut most of the time.
    fn put_in_order(&mut self) {
        let slots: Vec<u8> = (0..self.site.options.slots).collect();
        self.acknowledged = self.machine().checkpoint(true, &slots);
        while self.machine().compact() {}
        for worker in 0..self.machine().workers() {
            while self.machine().obey(worker) {}
        }
        if self.dice.percent(60) {
            self.arm();
        }
        for slot in slots {
            while self.machine().merge(slot) {}
        }
    }

    fn turn_clock(&mut self) {
        let organization = self.dice.below(self.feed.names.len());
        let mut now = self.feed.now(organization);
        if self.dice.percent(40) {
            now += self.dice.within(0, 20 * DAY);
        }
        let before = self.clock.swap(now, Ordering::SeqCst);
        if now < before {
            self.fired.note("a clock that goes back");
        }
    }

    fn grow(&mut self) {
        let first = self.site.events.len();
        if first < PARTITIONS_MAX {
            self.site.events.grow();
            self.fired.note("a partition added");
            let Self { machine, site, .. } = self;
            machine.as_mut().expect("a running machine").add_partitions(site, first);
        }
    }

    fn arm(&mut self) {
        if !self.site.disk.is_armed() {
            let end = *self.dice.pick(&[End::Before, End::Lost, End::Torn, End::After]);
            let steps = self.dice.below(6);
            self.site.disk.arm(steps, end, self.dice.below(1 << 30) as u64);
        }
    }

    /// Asks about one subscription.
    fn ask(&mut self) -> Result<(), Broken> {
        let organization = self.dice.below(self.feed.names.len());
        let question = check::question(&mut self.dice);
        self.ask_this(organization, &question)
    }

    fn ask_this(&mut self, organization: usize, question: &Question) -> Result<(), Broken> {
        let now = self.feed.now(organization);
        self.clock.store(now, Ordering::SeqCst);
        let Self { machine, model, feed, .. } = self;
        let machine = machine.as_mut().expect("a running machine");
        let subscription = question.subscription.as_deref();
        let (slot, _) = machine.shared.account(&feed.names[organization], subscription);
        if !machine.shared.board.slot(slot).ready {
            self.fired.note("a reader that asks before the slot is back");
        }
        let body = check::answered(machine, model, feed, organization, question)?;
        let _ = writeln!(self.trace, "asked at {:?}: {body}", Instant(now));
        Ok(())
    }

    /// Reads and applies all there is.
    fn settle(&mut self) -> Result<(), Broken> {
        for _ in 0..PATIENCE {
            if !self.machine().reads_events() {
                self.begin_to_read();
            }
            self.machine().read_catalogue();
            for worker in 0..self.machine().workers() {
                while self.machine().obey(worker) {}
                while self.machine().recover(worker) {}
                while self.machine().fold(worker) {}
            }
            self.machine().read();
            let machine = self.machine.as_ref().expect("a running machine");
            let (model, site) = (&self.model, &self.site);
            if machine.is_quiet() && check::is_through(machine, site, |p| model.source(p)) {
                return check::conserved(machine, model, &self.feed);
            }
        }
        Err("what is in the log is not applied".to_owned())
    }

    /// Everything that can be checked, after everything that can be done.
    fn everything(&mut self) -> Result<(), Broken> {
        self.settle()?;
        for organization in 0..self.feed.names.len() {
            self.ask_this(organization, &Question::plain())?;
            for _ in 0..3 {
                let question = check::question(&mut self.dice);
                self.ask_this(organization, &question)?;
            }
        }
        self.put_in_order();
        self.note("everything");
        let machine = self.machine.as_ref().expect("a running machine");
        check::refused(machine, &self.model, &self.site)?;
        check::verified(machine, &self.site)
    }
}
