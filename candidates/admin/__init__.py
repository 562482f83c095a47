from candidates.admin.candidates import CandidateAdmin as CandidateAdmin
