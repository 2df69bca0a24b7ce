//! Plans in short words.

use docker_assemble::desired::{ContainerName, Desired};
use docker_assemble::observed::Observed;
use docker_assemble::plan::action::Action;
use docker_assemble::plan::{Plan, plan};
use docker_assemble::spec::{Candidates, Network};

/// The plan's stages in short words.
pub(crate) fn steps(wish: &Desired, world: &Observed) -> Vec<Vec<String>> {
    stages(&plan(wish, world).unwrap())
}

pub(crate) fn stages(plan: &Plan) -> Vec<Vec<String>> {
    let stage = |stage: &Vec<Action>| stage.iter().map(step).collect();
    let changes = Some(&plan.changes).filter(|changes| !changes.is_empty());
    plan.stages.iter().chain(changes).chain(&plan.finally).map(stage).collect()
}

fn step(action: &Action) -> String {
    let short = |name: &ContainerName| {
        name.0
            .strip_prefix("docker-assemble-backend-ann")
            .map_or_else(|| name.0.clone(), |rest| format!("B{rest}"))
    };
    match action {
        Action::Pull { image, fallback } => {
            format!("pull {image}{}", if *fallback { " or not" } else { "" })
        }
        Action::LoadProxyImage { image } => format!("load {image}"),
        Action::Remove { name, reason, .. } => format!("remove {} ({reason:?})", short(name)),
        Action::SetAside { name, reason, .. } => format!("set aside {} ({reason:?})", short(name)),
        Action::PutBack { name, .. } => format!("put back {}", short(name)),
        Action::Note { note, .. } => format!("note {}", note.content.trim_end().replace('\n', ", ")),
        Action::Change { change, .. } => format!("change {change}"),
        Action::CreateVolume { spec } => {
            format!("create volume {}", short(&ContainerName(spec.name.0.clone())))
        }
        Action::RemoveVolume { name } => format!("remove volume {}", short(&ContainerName(name.0.clone()))),
        Action::Start { name, .. } => format!("start {}", short(name)),
        Action::Dial { dialer, .. } => format!("dial {}", dialer.args.last().unwrap()),
        Action::EndDialer { .. } => "end the dialer".to_owned(),
        Action::Run { candidates } => {
            format!("run {} x{}", short(&candidates.preferred.name), candidates.iter().count())
        }
    }
}

pub(crate) fn backend_candidates(wish: &Desired, world: &Observed) -> Candidates {
    let plan = plan(wish, world).unwrap();
    let of = |action: &Action| match action {
        Action::Run { candidates } if candidates.preferred.network == Network::Own => {
            Some(Candidates::clone(candidates))
        }
        _ => None,
    };
    plan.actions().find_map(of).unwrap()
}
