//! Arguments, as they are typed. Nothing is resolved here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::wait::{Goal, parse_span};
use crate::checks::{Area, Severity};

/// The operations console for Dragonfly on Kubernetes.
///
/// Without a command it opens the console over the contexts named by --context, else over `fleet` in the settings
/// file, else over the kubeconfig's current context.
#[derive(Debug, Parser)]
#[command(
    name = "darner",
    version,
    about,
    after_help = "Exit codes of headless commands: 0 well, 1 findings, 2 could not judge, 64 wrong usage.\nTry it without a cluster: darner lab"
)]
pub struct Cli {
    /// What to do; without it the console opens.
    #[command(subcommand)]
    pub command: Option<Verb>,
    /// Instance or node to open, as [NAMESPACE/]NAME or by its pod; without it the fleet.
    #[arg(value_name = "INSTANCE-OR-POD")]
    pub address: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub reach: Reach,
    /// How it looks.
    #[command(flatten)]
    pub look: Looks,
}

/// Which contexts, by which kubeconfig.
#[derive(Debug, Clone, Default, Args)]
pub struct Reach {
    /// Kubeconfig context to open; repeat it for several.
    #[arg(long = "context", value_name = "CONTEXT", global = true)]
    pub contexts: Vec<String>,
    /// Kubeconfig file, instead of KUBECONFIG and ~/.kube/config.
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Confine what is watched to this namespace; repeat it for several.
    #[arg(
        short = 'n',
        long = "namespace",
        value_name = "NAMESPACE",
        global = true
    )]
    pub namespaces: Vec<String>,
    /// Settings file, instead of settings.toml in the platform's configuration folder.
    #[arg(long, value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
    /// Change nothing, whatever is asked for: no context can be unlocked.
    #[arg(long, global = true)]
    pub read_only: bool,
}

impl Cli {
    /// What stands beside a verb that is not among [`Verb`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn beside(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            command: None,
            address: None,
            reach: Reach::from_arg_matches(matches)?,
            look: Looks::from_arg_matches(matches)?,
        })
    }
}

impl Reach {
    /// The kubeconfig file that was named, by a path that holds in any folder: commands that are told are run elsewhere, too.
    pub fn named(&self) -> Option<PathBuf> {
        let file = self.kubeconfig.as_ref()?;
        Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()))
    }
}

/// How the console looks.
#[derive(Debug, Clone, Default, Args)]
pub struct Looks {
    /// Theme: dark, light, high-contrast, mono, or a file of your own.
    #[arg(long, value_name = "NAME", global = true)]
    pub theme: Option<String>,
    /// Keymap preset: default, vim, k9s, emacs, arrows.
    #[arg(long, value_name = "NAME", global = true)]
    pub keymap: Option<String>,
    /// Draw with ASCII characters only.
    #[arg(long, global = true)]
    pub ascii: bool,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What the Fleet screen says, once, on standard output.
    Status(StatusArgs),
    /// The manifests that mend what a check finds now, or the steps where no manifest does.
    Remedy(RemedyArgs),
    /// Why something is so: the chain of facts behind its state, each with source and age.
    Explain(ExplainArgs),
    /// Whether everything is as it should be: every check with its answer, also of what serves its clients well today.
    Check(CheckArgs),
    /// Compare sampled keys of an instance's nodes: tells whether they hold the same data, which INFO never does.
    Compare(CompareArgs),
    /// Wait until an instance is as wanted: a Dragonfly object has no conditions to wait for.
    Wait(WaitArgs),
    /// Two simulated clusters on this machine, to learn and to test on.
    #[command(after_help = super::lab::scenarios_page())]
    Lab(LabArgs),
}

/// `darner status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Instances, as [NAMESPACE/]NAME or by one of their pods; without one, all of them.
    #[arg(value_name = "INSTANCE-OR-POD")]
    pub instances: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Print again whenever it changes, until interrupted.
    #[arg(short, long)]
    pub watch: bool,
    /// How long to wait for every source to answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// How `status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One row an instance, and what is wrong below.
    Table,
    /// The table with more columns, and every node.
    Wide,
    /// Versioned JSON, for programs.
    Json,
    /// The same as YAML.
    Yaml,
    /// A Markdown page, for a report or a chat.
    Markdown,
}

/// `darner explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// An instance or a pod, as [NAMESPACE/]NAME, or a context, as context/NAME.
    #[arg(value_name = "INSTANCE|POD|context/NAME")]
    pub subject: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Told::Text)]
    pub output: Told,
    /// How long to wait for every source to answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// How `explain` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Told {
    /// Plain sentences.
    Text,
    /// Versioned JSON, for programs.
    Json,
    /// A Markdown page, for a report or a chat.
    Markdown,
}

/// `darner check`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 nothing found at or above --fail-on, 1 findings, 2 could not judge, 64 wrong usage.\nChecks, with what each finds and how it is mended: docs/reference/checks.md.\nWhat could not be judged of an operator is told and leaves the exit code as it is; of a context, an instance or a consumer it makes 2."
)]
pub struct CheckArgs {
    /// Instances, as [NAMESPACE/]NAME or by one of their pods; without one, all of them, with their contexts and operators.
    #[arg(value_name = "INSTANCE-OR-POD")]
    pub instances: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Checked::Text)]
    pub output: Checked,
    /// The mildest finding that counts: note, warning or critical.
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = severity)]
    pub fail_on: Severity,
    /// Only checks of this area; repeat it for several.
    #[arg(long = "area", value_name = "AREA", value_parser = area)]
    pub areas: Vec<Area>,
    /// Group the answers by a profile: story, the acceptance criteria AC1 to AC6.
    #[arg(long, value_name = "PROFILE", value_enum)]
    pub profile: Option<Profile>,
    /// File of accepted findings (TOML): [[accept]] with check, reason, until and, if wanted, subject.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Judge the YAML files of this folder, such as a Git checkout, instead of clusters.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["instances"])]
    pub manifests: Option<PathBuf>,
    /// How long to wait for every source to answer: 30s, 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_span)]
    pub deadline: Duration,
}

/// By what answers are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// The platform story's acceptance criteria.
    Story,
}

/// `darner remedy`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 printed, 1 nothing of that name is found now, 2 could not judge, 64 wrong usage.\nWhat is printed can be piped into kubectl apply --server-side -f -; steps without a manifest are comments."
)]
pub struct RemedyArgs {
    /// A check or a situation, by its id in docs/reference/checks.md.
    #[arg(value_name = "FINDING")]
    pub finding: String,
    /// About what: an instance as [NAMESPACE/]NAME, or a context; without it everything.
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Print it for programs.
    #[arg(short, long, value_enum)]
    pub output: Option<Ended>,
    /// How long to wait for every source to answer: 30s, 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_span)]
    pub deadline: Duration,
}

/// How `check` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Checked {
    /// Counts by area, and below each what was found.
    Text,
    /// Versioned JSON, for programs.
    Json,
    /// JUnit XML, for pipelines.
    Junit,
    /// A Markdown page, for a report or a chat.
    Markdown,
}

fn severity(text: &str) -> Result<Severity, String> {
    let all = [Severity::Note, Severity::Warning, Severity::Critical];
    let found = all.into_iter().find(|severity| severity.word() == text);
    found.ok_or_else(|| "write note, warning or critical".to_owned())
}

fn area(text: &str) -> Result<Area, String> {
    Area::of(text).ok_or_else(|| {
        let words: Vec<&str> = Area::ALL.iter().map(|area| area.word()).collect();
        format!("there is no such area; there are {}", words.join(", "))
    })
}

/// `darner compare`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 the same data as far as was sampled, 1 different data, 2 could not be compared, 64 wrong usage.\nReads keys of database 0 over the admin port (RANDOMKEY, or SCAN where there are few; MEMORY USAGE, DUMP; right pods/portforward). Values are digested in memory and never kept."
)]
pub struct CompareArgs {
    /// The instance, as [NAMESPACE/]NAME.
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// How many keys to sample.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = keys)]
    pub keys: usize,
    /// How long it may take at most: 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_span)]
    pub timeout: Duration,
    /// Print it for programs; names of keys are left out.
    #[arg(short, long, value_enum)]
    pub output: Option<Ended>,
}

fn keys(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    number
        .filter(|n| (1..=100_000).contains(n))
        .ok_or_else(|| "sample 1 to 100000 keys".to_owned())
}

impl CompareArgs {
    /// A report is wanted.
    pub fn json(&self) -> bool {
        self.output == Some(Ended::Json)
    }
}

/// `darner wait`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 reached, 1 not reached in time, 2 could not judge, 64 wrong usage, such as an instance that is not there. Each change is told on standard error.\nAn instance that is not there when all is read is waited for only with --for created among the goals; one that goes meanwhile may come again."
)]
pub struct WaitArgs {
    /// The instance, as [NAMESPACE/]NAME.
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// What to wait for: created, healthy, synced, master=POD or phase=PHASE; repeat it, and all must hold at once.
    #[arg(long = "for", value_name = "GOAL", required = true, value_parser = Goal::parse)]
    pub goals: Vec<Goal>,
    /// How long to wait at most: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub timeout: Duration,
    /// Print how it ended on standard output, for programs.
    #[arg(short, long, value_enum)]
    pub output: Option<Ended>,
}

impl WaitArgs {
    /// A report is wanted.
    pub fn json(&self) -> bool {
        self.output == Some(Ended::Json)
    }
}

/// How a command prints how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ended {
    /// Versioned JSON.
    Json,
}

/// `darner lab`.
#[derive(Debug, Clone, Args)]
pub struct LabArgs {
    /// What to do with labs that are running, or list what there is.
    #[command(subcommand)]
    pub command: Option<LabVerb>,
    /// Run the clusters without opening the console.
    #[arg(long)]
    pub serve: bool,
    /// Write the kubeconfig of the clusters to this file, which must be new or a lab's.
    #[arg(long, value_name = "FILE")]
    pub write_kubeconfig: Option<PathBuf>,
    /// The situation to begin with, from the list below.
    #[arg(long, value_name = "NAME", default_value = "healthy")]
    pub scenario: String,
    /// The same number gives the same story.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Commands of the lab.
#[derive(Debug, Clone, Subcommand)]
pub enum LabVerb {
    /// Apply a fault to the running lab.
    #[command(after_help = super::lab::faults_page())]
    Fault {
        /// Its name, from the list below.
        name: String,
        /// Which lab, by its process number, where several run.
        #[arg(long, value_name = "PID")]
        lab: Option<u32>,
        /// The lab or node that wrote this file, which `darner lab node --control` names.
        #[arg(long, value_name = "FILE", conflicts_with = "lab")]
        control: Option<PathBuf>,
    },
    /// Attach simulated nodes and engines to a real API server.
    Node(Box<super::lab::node::NodeArgs>),
    /// Scenarios and faults, a line each.
    List,
    /// The labs that are running, with their faults and kubeconfigs.
    Status,
}
