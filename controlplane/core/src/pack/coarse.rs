//! Fewer shapes: similar ones are packed as if each were as large as the largest of them.

use super::Terms;
use super::problem::Problem;
use std::collections::BTreeMap;

/// More shapes than this are made fewer.
const MOST_SHAPES: usize = 128;

/// A problem with fewer shapes.
#[derive(Debug)]
pub(super) struct Coarse<'a> {
    pub(super) problem: Problem<'a>,
    /// The true shapes that each stands for.
    pub(super) members: Vec<Vec<usize>>,
}

/// Shapes that are packed alike.
struct Group {
    members: Vec<usize>,
    /// The most that any of them needs in each dimension.
    need: Vec<u64>,
    /// What is lost by taking each for the largest, in parts of the largest offering, by dimension.
    loss: Vec<u64>,
}

/// The problem with fewer shapes; None if there are few enough. Shapes that nothing holds are left out.
pub(super) fn coarse<'a>(problem: &Problem<'a>) -> Option<Coarse<'a>> {
    if problem.shapes() <= MOST_SHAPES {
        return None;
    }
    let mut alike: BTreeMap<Terms, Vec<usize>> = BTreeMap::new();
    for shape in (0..problem.shapes()).filter(|shape| problem.cheapest(*shape).is_some()) {
        alike.entry(problem.terms[shape]).or_default().push(shape);
    }
    let mut groups: Vec<Group> =
        alike.into_values().map(|members| Group::new(problem, members)).collect();
    while let Some(at) = next(problem, &groups) {
        let (one, other) = groups.swap_remove(at).split(problem);
        groups.extend([one, other]);
    }
    let shapes = groups.iter().map(|group| (&group.need[..], problem.terms[group.members[0]]));
    let coarse = Problem::of(shapes, problem.kinds);
    Some(Coarse { problem: coarse, members: groups.into_iter().map(|g| g.members).collect() })
}

/// The group to split next: one that is larger than anything there is, or while groups are few the one
/// that loses most.
fn next(problem: &Problem<'_>, groups: &[Group]) -> Option<usize> {
    let too_large = |group: &Group| !problem.held(&group.need, problem.terms[group.members[0]]);
    let many = groups.len() >= MOST_SHAPES;
    let several = groups.iter().enumerate().filter(|(_, group)| group.members.len() > 1);
    if many {
        return several.into_iter().find(|(_, group)| too_large(group)).map(|(at, _)| at);
    }
    let loss = |group: &Group| group.loss.iter().fold(0_u64, |sum, d| sum.saturating_add(*d));
    let most = several.max_by_key(|(at, group)| (loss(group), std::cmp::Reverse(*at)));
    most.map(|(at, _)| at)
}

impl Group {
    fn new(problem: &Problem<'_>, members: Vec<usize>) -> Group {
        let mut need = vec![0; problem.width];
        let mut parts = vec![0; problem.width];
        let mut loss = vec![0_u64; problem.width];
        for member in &members {
            raise(&mut need, problem.need(*member));
            raise(&mut parts, problem.parts(*member));
        }
        for member in &members {
            let own = problem.parts(*member).iter().zip(&parts);
            let lost = loss.iter_mut().zip(own);
            lost.for_each(|(loss, (own, most))| *loss = loss.saturating_add(most - own));
        }
        Group { members, need, loss }
    }

    /// The half that needs least in the dimension in which most is lost, and the other half.
    fn split(mut self, problem: &Problem<'_>) -> (Group, Group) {
        let dimensions = self.loss.iter().enumerate();
        let widest = dimensions.max_by_key(|(at, loss)| (**loss, std::cmp::Reverse(*at)));
        let widest = widest.map_or(0, |(at, _)| at);
        let middle = self.members.len() / 2;
        let key = |member: &usize| (problem.need(*member).get(widest).copied(), *member);
        self.members.select_nth_unstable_by_key(middle, key);
        let upper = self.members.split_off(middle);
        (Group::new(problem, self.members), Group::new(problem, upper))
    }
}

fn raise(most: &mut [u64], own: &[u64]) {
    most.iter_mut().zip(own).for_each(|(most, own)| *most = (*most).max(*own));
}
