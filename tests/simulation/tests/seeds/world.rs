//! A plan carried out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idem::{CasStore, Fingerprint, Idem, Key, Store, Tiered};
use idem_simulation::dice::Dice;
use idem_simulation::tasks::{current_call, Tasks, Work};
use idem_simulation::wire::{drive, Line, Note, Script, Seen, Watched, Wire, Word};

use crate::call::{caller, operator, Job, Ledger};
use crate::plan::{Act, Body, Class, Deploy, Ends, Kept, Plan, Print, LASTS, SETTLES};

/// All that is known of a world that is over.
#[derive(Debug)]
pub(crate) struct History {
    pub plan: Plan,
    pub calls: Vec<Call>,
    pub nodes: Vec<Node>,
    pub notes: Vec<Seen>,
    /// What was left over at the end.
    pub left: Vec<String>,
}

/// Somebody who asked something.
#[derive(Debug)]
pub(crate) struct Call {
    pub key: u32,
    pub node: u32,
    pub print: Option<Fingerprint>,
    pub who: Who,
    /// When it was made, and when its caller left.
    pub at: u64,
    pub left: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    /// One of those that ask at the end, when all is quiet.
    Probe,
    Operator(Word),
    Other,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Node {
    pub slot: u32,
    pub deploy: Deploy,
    idem: Idem,
    /// From when to when nothing of it was polled.
    pub stops: Vec<(u64, u64)>,
    pub died: Option<u64>,
}

enum Todo {
    Act(Act),
    Resume(u32),
    Up { slot: u32, deploy: usize },
    Leave { call: u32, task: u64 },
    Heal,
    Probe,
}

struct World {
    plan: Plan,
    tasks: Tasks,
    wire: Wire,
    ledger: Arc<Mutex<Ledger>>,
    memory: Option<Watched>,
    nodes: Vec<Node>,
    slots: Vec<Option<u32>>,
    calls: Vec<Call>,
    todo: BTreeMap<(u64, u64), Todo>,
    put: u64,
    /// Nodes that have drained, and what comes after them.
    drained: Arc<Mutex<Vec<(u32, usize)>>>,
}

/// Lets a plan come true.
pub(crate) fn run(plan: &Plan) -> History {
    idem::private::seed_jitter(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut dice = Dice::new(!plan.seed);
        let keys = (0..plan.keys).map(|key| Key::new("", "sim", &key).unwrap()).collect();
        let wire = Wire::new(dice.fork(), plan.latency, keys);
        let mut world = World {
            plan: plan.clone(),
            tasks: Tasks::default(),
            memory: (plan.class == Class::Memory).then(|| Watched::new(&wire)),
            wire: wire.clone(),
            ledger: Arc::default(),
            nodes: Vec::new(),
            slots: vec![None; plan.slots.len()],
            calls: Vec::new(),
            todo: BTreeMap::new(),
            put: 0,
            drained: Arc::default(),
        };
        for (slot, deploy) in plan.slots.iter().enumerate() {
            world.up(u32::try_from(slot).unwrap(), *deploy);
        }
        for (at, act) in &plan.acts {
            world.put(*at, Todo::Act(*act));
        }
        world.put(LASTS, Todo::Heal);
        // A clock that is set back stretches leases by as much.
        let back = plan.acts.iter().map(|(_, act)| if let Act::Turn(by) = act { by.min(&0).unsigned_abs() } else { 0 });
        let quiet = LASTS + SETTLES + back.sum::<u64>();
        world.put(quiet, Todo::Probe);
        world.put(quiet + 1_000, Todo::Probe);
        let tasks = world.tasks.clone();
        drive(&tasks, &wire, dice, &mut world).await;
        world.over()
    })
}

impl Script for World {
    fn next(&self) -> Option<u64> {
        self.todo.first_key_value().map(|((at, _), _)| *at)
    }

    fn act(&mut self, now: u64) {
        let drained: Vec<_> = std::mem::take(&mut *self.drained.lock().unwrap());
        for (node, deploy) in drained {
            let slot = self.nodes[node as usize].slot;
            self.die(node);
            self.up(slot, deploy);
        }
        while let Some(entry) = self.todo.first_entry() {
            if entry.key().0 > now {
                return;
            }
            match entry.remove() {
                Todo::Act(act) => self.happen(now, act),
                Todo::Resume(node) => self.tasks.resume(node),
                Todo::Up { slot, deploy } => self.up(slot, deploy),
                Todo::Leave { call, task } => {
                    self.calls[call as usize].left = Some(now);
                    self.tasks.cancel(task);
                }
                Todo::Heal => {
                    self.wire.heal();
                    self.wire.note(Note::Healed);
                }
                Todo::Probe => self.probe(now),
            }
        }
    }
}

impl World {
    fn put(&mut self, at: u64, todo: Todo) {
        self.put += 1;
        self.todo.insert((at, self.put), todo);
    }

    fn happen(&mut self, now: u64, act: Act) {
        let (Act::Call { slot, .. }
        | Act::Operate { slot, .. }
        | Act::Stop { slot, .. }
        | Act::Crash { slot, .. }
        | Act::Drain { slot, .. }
        | Act::Sweep { slot }) = act
        else {
            match act {
                Act::Trouble(troubled) => self.wire.trouble(troubled),
                Act::Turn(by) => self.wire.turn(by),
                Act::Sync => self.wire.sync(),
                Act::Restart => self.wire.restart(),
                _ => {}
            }
            return;
        };
        // Nobody answers there.
        let Some(node) = self.slots.get(slot as usize).copied().flatten() else { return };
        match act {
            Act::Call { key, request, body, leaves, .. } => {
                let (call, task) = self.call(now, node, key, request, body, Who::Caller);
                if let Some(after) = leaves {
                    self.put(now + after, Todo::Leave { call, task });
                }
            }
            Act::Operate { key, word, .. } => {
                let call = self.enlist(now, node, key, None, Who::Operator(word));
                let idem = self.nodes[node as usize].idem.clone();
                let work = operator(idem, key, word, call, self.wire.clone());
                self.tasks.spawn(node, call, Box::pin(work));
            }
            Act::Stop { ms, .. } => {
                let until = (now + ms).min(LASTS);
                self.tasks.stop(node);
                self.nodes[node as usize].stops.push((now, until));
                self.put(until, Todo::Resume(node));
            }
            Act::Crash { down, deploy, .. } => {
                self.die(node);
                self.put((now + down).min(LASTS), Todo::Up { slot, deploy });
            }
            Act::Drain { ms, deploy, .. } => {
                let (idem, wire, drained) =
                    (self.nodes[node as usize].idem.clone(), self.wire.clone(), self.drained.clone());
                let call = self.enlist(now, node, 0, None, Who::Other);
                let work = async move {
                    wire.note(Note::Drains(node));
                    let left = idem.drain(Duration::from_millis(ms)).await;
                    wire.note(Note::Drained(node, left));
                    drained.lock().unwrap().push((node, deploy));
                };
                self.tasks.spawn(node, call, Box::pin(work));
            }
            Act::Sweep { .. } => {
                let idem = self.nodes[node as usize].idem.clone();
                let call = self.enlist(now, node, 0, None, Who::Other);
                let work = async move { drop(idem.sweep(100).await) };
                self.tasks.spawn(node, call, Box::pin(work));
            }
            _ => {}
        }
    }

    fn enlist(&mut self, at: u64, node: u32, key: u32, print: Option<Fingerprint>, who: Who) -> u32 {
        self.calls.push(Call { key, node, print, who, at, left: None });
        u32::try_from(self.calls.len() - 1).unwrap()
    }

    fn call(&mut self, now: u64, node: u32, key: u32, request: u8, body: Body, who: Who) -> (u32, u64) {
        let Node { deploy, idem, .. } = &self.nodes[node as usize];
        let (deploy, idem) = (*deploy, idem.clone());
        let print = match deploy.print {
            Print::Nothing => None,
            Print::Request => Some(Fingerprint::of(&request).unwrap()),
            Print::Reshaped => Some(Fingerprint::of(&("v2", request)).unwrap()),
        };
        let call = self.enlist(now, node, key, print, who);
        let job = Job { wire: self.wire.clone(), ledger: Arc::clone(&self.ledger), call, key, body };
        let task = self.tasks.spawn(node, call, Box::pin(caller(idem, deploy, request, job)));
        (call, task)
    }

    fn die(&mut self, node: u32) {
        let died = &mut self.nodes[node as usize];
        if died.died.is_none() {
            died.died = Some(self.wire.now());
            self.slots[died.slot as usize] = None;
            self.wire.note(Note::Died(node));
            self.tasks.kill(node);
        }
    }

    /// A new process. Probes have a place of their own.
    fn up(&mut self, slot: u32, deploy: usize) {
        if self.slots.get(slot as usize).is_some_and(Option::is_none) {
            let node = self.start(slot, self.plan.deploys[deploy]);
            self.slots[slot as usize] = Some(node);
        }
    }

    fn start(&mut self, slot: u32, deploy: Deploy) -> u32 {
        let node = u32::try_from(self.nodes.len()).unwrap();
        let (tasks, wire) = (self.tasks.clone(), self.wire.clone());
        let line = Line { wire, tasks: tasks.clone(), slot, node, hints: deploy.store == Kept::Hinted };
        let idem = match (&self.memory, deploy.store) {
            (Some(memory), _) => build(memory.clone(), deploy, tasks, node),
            (None, Kept::Plain | Kept::Hinted) => build(line, deploy, tasks, node),
            (None, Kept::Tiered(max_age)) => {
                build(Tiered::new(line).max_age(Duration::from_millis(max_age)), deploy, tasks, node)
            }
            (None, Kept::CasStore) => build(CasStore::new(line), deploy, tasks, node),
        };
        self.nodes.push(Node { slot, deploy, idem, stops: Vec::new(), died: None });
        node
    }

    /// Asks for each key, when all is quiet.
    fn probe(&mut self, now: u64) {
        let deploy = Deploy {
            ttl: 3_600_000,
            lease: 1_500,
            wait: 0,
            timeout: 5_000,
            print: Print::Nothing,
            at_most_once: false,
            record_err: true,
            unknown_err: true,
            reconcile: false,
            detached: false,
            fail_open: false,
            store: Kept::Plain,
        };
        let node = self.start(u32::MAX, deploy);
        for key in 0..self.plan.keys {
            self.call(now, node, key, 0, Body { ms: 0, effect: 0, ends: Ends::Value }, Who::Probe);
        }
    }

    fn over(self) -> History {
        let mut left = Vec::new();
        for (number, node) in (0..).zip(&self.nodes) {
            let (tasks, idem) = (self.tasks.count(number), format!("{:?}", node.idem));
            if tasks > 0 {
                left.push(format!("node {number}: {tasks} tasks"));
            }
            // What a process that died had in its memory is gone with it.
            if node.died.is_none() && !(idem.contains("slots: 0,") && idem.contains("under_way: 0,")) {
                left.push(format!("node {number}: {idem}"));
            }
        }
        let Self { plan, calls, nodes, wire, .. } = self;
        History { plan, calls, nodes, notes: wire.notes(), left }
    }
}

fn build(store: impl Store, deploy: Deploy, tasks: Tasks, node: u32) -> Idem {
    let ms = Duration::from_millis;
    let builder = if deploy.fail_open { Idem::builder(store).fail_open() } else { Idem::builder(store) };
    builder
        .ttl(ms(deploy.ttl))
        .lease(ms(deploy.lease))
        .wait(ms(deploy.wait))
        .store_timeout(ms(deploy.timeout))
        .spawner(move |task: Work| {
            tasks.spawn(node, current_call(), task);
        })
        .build()
        .unwrap()
}
